// StreamHub's dialect as this server speaks it: every event's name and payload, both ways.
//
// The one file of the pages that knows the wire. What the payloads mean stands in docs/protocol.md. Fields marked as
// added are Abanico's own; StreamHub's clients do not know them.

export type Role = 'STREAMER' | 'VIEWER';
export type StreamStatus = 'WAITING' | 'ACTIVE' | 'ENDED';

export interface WireUser {
  id: string;
  username: string;
  role: Role;
  socketId?: string;
  createdAt: string;
}

export interface WireStream {
  id: string;
  streamerId: string;
  streamKey: string;
  status: StreamStatus;
  createdAt: string;
  viewerCount: number;
  startedAt?: string;
  endedAt?: string;
}

/** A picture or a run of recorder bytes: data URL, bare base64 or binary. */
export interface WireFrame {
  streamKey: string;
  data: unknown;
  /** When the server took it, ms since 1970. */
  timestamp: number;
  /** Added: when it was captured, ms since 1970 in the server's clock. */
  capturedAt?: number;
}

export interface WireMessage {
  id: string;
  streamId: string;
  userId: string;
  username: string;
  type: 'CHAT' | 'SYSTEM';
  content: string;
  timestamp: string | number;
}

export interface WireReaction {
  id: string;
  streamId: string;
  userId: string;
  username: string;
  emoji: string;
  timestamp: string | number;
}

/** What pages need to find each other, added to the answer to a registration. */
export interface Peering {
  iceServers: RTCIceServer[];
  /** How many viewers a publisher serves itself when it is left to choose. */
  peerViewers: number;
}

/** Asks the publisher for its picture, from peer to peer. */
export interface PeerRequest {
  streamKey: string;
  viewerId: string;
  socketId: string;
  /** Added: whether the viewer insists. StreamHub's pages know no other way than this and do not say. */
  wish?: 'auto' | 'p2p';
  /** Added. */
  username?: string;
  /** Added: what becomes of the way through the server meanwhile. A page that does not say is sent everything. */
  central?: CentralMeanwhile;
  /** Added by the server: it was answered before, by whoever answered for the stream then. */
  again?: boolean;
}

/**
 * What the server does for a viewer while a peer serves it: sends as before, sends nothing but counts it as a viewer, or
 * neither.
 */
export type CentralMeanwhile = 'sent' | 'rests' | 'left';

/** One of two peers to the other, by the ids of their sockets. */
export interface PeerSignal<T extends string, D> {
  type: T;
  data: D;
  from: string;
  to: string;
  streamKey: string;
}
export type OfferSignal = PeerSignal<'offer', RTCSessionDescriptionInit>;
export type AnswerSignal = PeerSignal<'answer', RTCSessionDescriptionInit>;
export type CandidateSignal = PeerSignal<'ice-candidate', RTCIceCandidateInit>;
/** Added. From the publisher: go over to the server. From a viewer: it has gone. */
export type CloseSignal = PeerSignal<'close', { reason: 'central' | 'full' | 'left' | 'gone' }>;

export interface ClientToServer {
  'user:register': (payload: { username: string; role: Role; resumeToken?: string }) => void;
  /** Added: `key`, the operator's, where the server asks for it; `private`, to be in no list. */
  'stream:create': (payload?: { key?: string; private?: true }) => void;
  /** `media: false`, added: media come over the native door, this connection only controls. */
  'stream:start': (payload: { streamKey: string; publishToken?: string; media?: false }) => void;
  'stream:end': (payload: { streamKey: string; publishToken?: string }) => void;
  'stream:pause': (payload: { streamKey: string; paused: boolean; publishToken?: string }) => void;
  'stream:poster': (payload: { streamKey: string; data: ArrayBuffer; publishToken?: string }) => void;
  'stream:data:send': (payload: { streamKey: string; data: ArrayBuffer; capturedAt?: number }) => void;
  /** Added: `media: false`, a member of the room who gets its media over another door; `token`, for a private stream. */
  'stream:join': (payload: { streamKey: string; media?: false; token?: string }) => void;
  'stream:leave': (payload: { streamKey: string }) => void;
  'chat:message:send': (payload: { streamKey: string; content: string }) => void;
  /** Added, for who keeps order: the publisher, or who shows `key`. */
  'chat:message:remove': (payload: { streamKey: string; messageId: string }) => void;
  'viewer:silence': (payload: { streamKey: string; userId: string; silenced: boolean }) => void;
  'viewer:remove': (payload: { streamKey: string; userId: string }) => void;
  'reaction:send': (payload: { streamKey: string; emoji: string }) => void;
  'clock:get': (payload: { id: number }) => void;
  /** How many viewers this publisher wants to serve itself. */
  'stream:peers': (payload: { streamKey: string; max: number }) => void;
  'webrtc:request': (payload: PeerRequest) => void;
  'webrtc:offer': (payload: OfferSignal) => void;
  'webrtc:answer': (payload: AnswerSignal) => void;
  'webrtc:ice-candidate': (payload: CandidateSignal) => void;
  'webrtc:close': (payload: CloseSignal) => void;
}

/** What clients say to each other comes as it was sent. */
type Relayed = Pick<ClientToServer, Extract<keyof ClientToServer, `webrtc:${string}`>>;

export interface ServerToClient {
  /** How many viewers the publisher wants to serve itself. */
  'stream:peers': (payload: { streamKey: string; max: number }) => void;
  'user:registered': (payload: { user: WireUser; resumeToken?: string; webrtc?: Peering }) => void;
  'stream:created': (payload: { stream: WireStream; publishToken?: string }) => void;
  'stream:started': (payload: { stream: WireStream }) => void;
  'stream:ended': (payload: { stream: WireStream; reason?: string }) => void;
  'stream:joined': (payload: {
    stream: WireStream;
    streamerUsername?: string;
    paused?: boolean;
    publisherPresent?: boolean;
    peersMax?: number;
  }) => void;
  'stream:buffer': (payload: { streamKey: string; frames: WireFrame[] }) => void;
  'stream:data': (payload: WireFrame) => void;
  'stream:skipped': (payload: { streamKey: string; frames: number; receiving?: string }) => void;
  'stream:paused': (payload: { streamKey: string; paused: boolean }) => void;
  'stream:publisher:lost': (payload: { streamKey: string; graceMs: number }) => void;
  'stream:publisher:back': (payload: { streamKey: string }) => void;
  'stream:next': (payload: { streamKey: string; next: string }) => void;
  /** Once of each kind of trouble with what a publisher sends. */
  'stream:warning': (payload: {
    streamKey: string;
    code: 'keyframes-far-apart' | 'unreadable';
    message: string;
  }) => void;
  /** `code`, added: the reason in a word, where a page acts on it. */
  'stream:error': (payload: { message: string; error?: string; retryAfterMs?: number; code?: string }) => void;
  'viewer:joined': (payload: { username: string; viewerCount: number }) => void;
  'viewer:left': (payload: { username: string; viewerCount: number }) => void;
  'viewer:count:update': (payload: { viewerCount: number }) => void;
  'chat:message:broadcast': (payload: { message: WireMessage }) => void;
  'chat:message:removed': (payload: { streamKey: string; messageId: string }) => void;
  'viewer:silenced': (payload: { streamKey: string; userId: string; silenced: boolean }) => void;
  'viewer:removed': (payload: { streamKey: string; userId: string }) => void;
  'reaction:broadcast': (payload: { reaction: WireReaction }) => void;
  'clock:now': (payload: { id: number; now: number }) => void;
}

/** Everything that a client may hear. */
export type Heard = ServerToClient & Relayed;

/** Refusals whose cause the pages tell apart. The server's texts, literally. */
export const REFUSAL = {
  streamNotFound: 'Stream no encontrado',
  streamOver: 'El stream ya ha terminado',
  alreadyStreaming: 'El streamer ya tiene un stream activo',
} as const;

/** Why a stream may not be opened: the words of `code`. */
export const KEY_REFUSALS = ['key-missing', 'key-wrong', 'key-later'] as const;
