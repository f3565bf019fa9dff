//! The names of the events, and the Spanish texts that go with them: the only place that spells them.

/// Events that a client sends.
pub(crate) mod from_client {
    pub(crate) const USER_REGISTER: &str = "user:register";
    pub(crate) const USER_SUBSCRIBE: &str = "user:subscribe";
    pub(crate) const USER_UNSUBSCRIBE: &str = "user:unsubscribe";
    pub(crate) const USERS_GET: &str = "users:get";
    pub(crate) const SUBSCRIPTIONS_GET: &str = "subscriptions:get";
    pub(crate) const STREAM_CREATE: &str = "stream:create";
    pub(crate) const STREAM_START: &str = "stream:start";
    pub(crate) const STREAM_END: &str = "stream:end";
    pub(crate) const STREAM_JOIN: &str = "stream:join";
    pub(crate) const STREAM_LEAVE: &str = "stream:leave";
    pub(crate) const STREAM_DATA_SEND: &str = "stream:data:send";
    pub(crate) const STREAM_PAUSE: &str = "stream:pause";
    pub(crate) const STREAM_POSTER: &str = "stream:poster";
    pub(crate) const STREAM_PEERS: &str = "stream:peers";
    pub(crate) const CHAT_MESSAGE_SEND: &str = "chat:message:send";
    pub(crate) const CHAT_MESSAGE_REMOVE: &str = "chat:message:remove";
    pub(crate) const VIEWER_SILENCE: &str = "viewer:silence";
    pub(crate) const VIEWER_REMOVE: &str = "viewer:remove";
    pub(crate) const REACTION_SEND: &str = "reaction:send";
    pub(crate) const CLOCK_GET: &str = "clock:get";
    pub(crate) const WEBRTC_REQUEST: &str = "webrtc:request";
    pub(crate) const WEBRTC_OFFER: &str = "webrtc:offer";
    pub(crate) const WEBRTC_ANSWER: &str = "webrtc:answer";
    pub(crate) const WEBRTC_ICE_CANDIDATE: &str = "webrtc:ice-candidate";
    pub(crate) const WEBRTC_CLOSE: &str = "webrtc:close";
}

/// Events that the server sends.
pub(crate) mod from_server {
    pub(crate) const USER_REGISTERED: &str = "user:registered";
    pub(crate) const USER_SUBSCRIBED: &str = "user:subscribed";
    pub(crate) const USER_UNSUBSCRIBED: &str = "user:unsubscribed";
    pub(crate) const USERS_LIST: &str = "users:list";
    pub(crate) const SUBSCRIPTIONS_LIST: &str = "subscriptions:list";
    pub(crate) const STREAM_CREATED: &str = "stream:created";
    pub(crate) const STREAM_STARTED: &str = "stream:started";
    pub(crate) const STREAM_ENDED: &str = "stream:ended";
    pub(crate) const STREAM_JOINED: &str = "stream:joined";
    pub(crate) const STREAM_BUFFER: &str = "stream:buffer";
    pub(crate) const STREAM_DATA: &str = "stream:data";
    pub(crate) const STREAM_ERROR: &str = "stream:error";
    pub(crate) const STREAM_NOTIFICATION: &str = "stream:notification";
    pub(crate) const STREAM_NEXT: &str = "stream:next";
    pub(crate) const STREAM_PAUSED: &str = "stream:paused";
    pub(crate) const STREAM_SKIPPED: &str = "stream:skipped";
    pub(crate) const STREAM_WARNING: &str = "stream:warning";
    pub(crate) const STREAM_PEERS: &str = "stream:peers";
    pub(crate) const STREAM_PUBLISHER_LOST: &str = "stream:publisher:lost";
    pub(crate) const STREAM_PUBLISHER_BACK: &str = "stream:publisher:back";
    pub(crate) const VIEWER_JOINED: &str = "viewer:joined";
    pub(crate) const VIEWER_LEFT: &str = "viewer:left";
    pub(crate) const VIEWER_COUNT_UPDATE: &str = "viewer:count:update";
    pub(crate) const CHAT_MESSAGE_BROADCAST: &str = "chat:message:broadcast";
    pub(crate) const CHAT_MESSAGE_REMOVED: &str = "chat:message:removed";
    pub(crate) const VIEWER_SILENCED: &str = "viewer:silenced";
    pub(crate) const VIEWER_REMOVED: &str = "viewer:removed";
    pub(crate) const REACTION_BROADCAST: &str = "reaction:broadcast";
    pub(crate) const CLOCK_NOW: &str = "clock:now";
}

/// Why something was refused, in a word for programs.
pub(crate) mod code {
    pub(crate) const KEY_MISSING: &str = "key-missing";
    pub(crate) const KEY_WRONG: &str = "key-wrong";
    pub(crate) const KEY_LATER: &str = "key-later";
    pub(crate) const KEY_OTHER: &str = "key-other";
    pub(crate) const DENIED: &str = "denied";
    pub(crate) const EXPIRED: &str = "expired";
    pub(crate) const REVOKED: &str = "revoked";
    pub(crate) const REMOVED: &str = "removed";
    pub(crate) const SILENCED: &str = "silenced";
}

/// Which bound was reached, as `limit` of a refusal: the word by which the operator knows it.
pub(crate) mod limit {
    pub(crate) const CHAT_RATE: &str = "chat-rate";
    pub(crate) const ROOM_CHAT_RATE: &str = "room-chat-rate";
    pub(crate) const ROOM_CHAT_BYTES_RATE: &str = "room-chat-bytes-rate";
    pub(crate) const ADDRESS_CHAT_RATE: &str = "address-chat-rate";
    pub(crate) const ADDRESS_CHAT_BYTES_RATE: &str = "address-chat-bytes-rate";
    pub(crate) const REACTION_RATE: &str = "reaction-rate";
    pub(crate) const DATA_RATE: &str = "data-rate";
    pub(crate) const SIGNAL_RATE: &str = "signal-rate";
    pub(crate) const SIGNAL_BYTES_RATE: &str = "signal-bytes-rate";
    pub(crate) const SIGNAL_REQUEST_RATE: &str = "signal-request-rate";
    pub(crate) const ROOM_SIGNAL_BYTES_RATE: &str = "room-signal-bytes-rate";
    pub(crate) const ADDRESS_SIGNAL_BYTES_RATE: &str = "address-signal-bytes-rate";
    pub(crate) const QUEUE_SIGNAL_BYTES: &str = "queue-signal-bytes-max";
    pub(crate) const SIGNAL_BYTES: &str = "signal-bytes-max";
    pub(crate) const SIGNAL_REQUEST_BYTES: &str = "signal-request-bytes-max";
    pub(crate) const REQUEST_RATE: &str = "request-rate";
    pub(crate) const ADDRESS_LIST_RATE: &str = "address-list-rate";
    pub(crate) const JOIN_RATE: &str = "join-rate";
    pub(crate) const KEY_RATE: &str = "key-rate";
    pub(crate) const NAME_CHARS: &str = "name-chars-max";
    pub(crate) const CHAT_CHARS: &str = "chat-chars-max";
    pub(crate) const EMOJI_BYTES: &str = "emoji-bytes-max";
    pub(crate) const POSTER_BYTES: &str = "poster-bytes-max";
    pub(crate) const NEW_USER_RATE: &str = "new-user-rate";
    pub(crate) const USERS: &str = "users-max";
    pub(crate) const SUBSCRIPTIONS: &str = "subscriptions-max";
    pub(crate) const JOINS: &str = "joins-max";
    pub(crate) const STREAMS: &str = "streams-max";
    pub(crate) const VIEWERS: &str = "viewers-max";
    pub(crate) const STREAM_VIEWERS: &str = "stream-viewers-max";
    /// What the machine has left, whichever of the two it lacks.
    pub(crate) const RESERVES: &str = "memory-left-min or busy-max";
}

/// Texts as StreamHub sends them, and ours in the same language.
pub(crate) mod text {
    pub(crate) const UNKNOWN_ERROR: &str = "Error desconocido";
    pub(crate) const REGISTER_FAILED: &str = "Error al registrar usuario";
    pub(crate) const NOT_REGISTERED: &str = "Usuario no registrado";
    pub(crate) const ONLY_STREAMERS: &str = "Solo los streamers pueden crear streams";
    pub(crate) const MAY_NOT_CREATE: &str = "No tienes permiso para crear streams en este servidor";
    pub(crate) const KEY_MISSING: &str = "hace falta la clave del operador, que el servidor mostró al arrancar por primera vez, o un permiso suyo";
    pub(crate) const KEY_WRONG: &str = "esa no es la clave del operador, ni un permiso que valga";
    pub(crate) const KEY_OTHER: &str = "ese permiso no es para esto";
    pub(crate) const TOKEN_MISSING: &str =
        "este servidor pide un permiso para ver; entra por donde te llegó el enlace";
    pub(crate) const UNDECIDED: &str =
        "quien decide sobre esto no responde ahora; prueba dentro de un momento";
    pub(crate) const KEY_TOO_MANY: &str = "han llegado demasiadas claves o permisos equivocados desde esta dirección; prueba más tarde";
    pub(crate) const KEY_BUSY: &str =
        "se están comprobando demasiadas claves a la vez; prueba dentro de un momento";
    pub(crate) const CREATE_FAILED: &str = "Error al crear stream";
    pub(crate) const ALREADY_STREAMING: &str = "El streamer ya tiene un stream activo";
    pub(crate) const STREAM_NOT_FOUND: &str = "Stream no encontrado";
    pub(crate) const TARGET_NOT_FOUND: &str = "Usuario objetivo no encontrado";
    pub(crate) const SUBSCRIBE_FAILED: &str = "No se pudo completar la suscripción";
    pub(crate) const STREAMER_GONE: &str = "El streamer se desconectó";
    pub(crate) const OPERATOR_ENDED: &str = "El operador del servidor terminó el stream";
    pub(crate) const RIGHT_EXPIRED: &str = "El permiso para emitir ha caducado";
    pub(crate) const RIGHT_REVOKED: &str = "El permiso para emitir se ha retirado";
    pub(crate) const STAY_EXPIRED: &str = "Tu permiso para ver el stream ha caducado";
    pub(crate) const STAY_REVOKED: &str = "Tu permiso para ver el stream se ha retirado";
    pub(crate) const STAY_REMOVED: &str = "Quien modera este stream te ha expulsado";
    pub(crate) const SILENCED: &str = "quien modera este stream te ha silenciado";
    pub(crate) const NOT_MODERATOR: &str = "No tienes permiso para moderar este stream";
    pub(crate) const SERVER_GONE: &str = "El servidor se está cerrando";
    pub(crate) const SYSTEM_NAME: &str = "Sistema";
    pub(crate) const NOT_YOURS: &str = "No tienes permiso para publicar en este stream";
    pub(crate) const STREAM_OVER: &str = "El stream ya ha terminado";
    pub(crate) const STREAM_FULL: &str = "El stream está completo";
    pub(crate) const TOO_MANY: &str = "Demasiadas peticiones";
    pub(crate) const CHAT_REFUSED: &str = "Mensaje de chat rechazado";
    pub(crate) const SIGNAL_REFUSED: &str = "Señal rechazada";
    pub(crate) const SIGNALS_WAITING: &str = "a quien va dirigida le esperan ya demasiadas";
    pub(crate) const REACTION_REFUSED: &str = "Reacción rechazada";
    pub(crate) const JOIN_REFUSED: &str = "No se pudo entrar en el stream";
    pub(crate) const POSTER_REFUSED: &str = "Imagen de portada rechazada";
}
