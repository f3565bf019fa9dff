// The texts of the page that brings a phone to trust the server. No other page carries them.

const es = {
  'trust.title': 'Abanico · tu móvil',
  'trust.heading': 'La cámara de tu móvil, en directo',
  'trust.lead':
    'El navegador solo da la cámara a páginas por HTTPS. Di una vez al móvil que se fíe de este servidor; se tarda medio minuto.',
  'trust.scan': 'Escanéalo con el móvil',
  'trust.scan.text': 'El móvil tiene que estar en la misma red que este ordenador. El código abre allí esta página:',
  'trust.scan.code': 'El código deja emitir a un móvil sin la clave del operador. Vale un cuarto de hora y una vez.',
  'trust.ios': 'En un iPhone o iPad',
  'trust.ios.get': 'Bajar el perfil',
  'trust.ios.1':
    'Ábrelo con Safari y permite la descarga. Luego ve a Ajustes: arriba pone «Perfil descargado» (o General › VPN y gestión de dispositivos). Pulsa Instalar, arriba a la derecha, y otra vez.',
  'trust.ios.2':
    'Ajustes › General › Información › Ajustes de confianza de certificados, abajo del todo: activa Abanico.',
  'trust.ios.3': 'Vuelve a esta página.',
  'trust.android': 'En un móvil Android',
  'trust.android.get': 'Bajar el certificado',
  'trust.android.1':
    'Abre Ajustes y busca «certificado de CA». Está en Seguridad › Más ajustes de seguridad › Cifrado y credenciales › Instalar un certificado.',
  'trust.android.2':
    'Elige Certificado de CA, «Instalar de todos modos», y el fichero abanico-ca.crt de las descargas.',
  'trust.android.3': 'Vuelve a esta página, en Chrome.',
  'trust.other': 'En este ordenador',
  'trust.other.1':
    'Importa el fichero como autoridad de confianza para sitios web: en Chrome o Edge, en Configuración › Privacidad y seguridad › Seguridad › Gestionar certificados; en un Mac, en Acceso a Llaveros, «Confiar siempre»; en Firefox, en Ajustes › Certificados.',
  'trust.other.2': 'Vuelve a esta página. En http://localhost la cámara funciona sin esto.',
  'trust.waiting': 'Esta página se da cuenta sola cuando está hecho…',
  'trust.works': 'Funcionó: este aparato se fía del servidor.',
  'trust.next': 'Seguir por HTTPS',
  'trust.what':
    'El certificado es de una autoridad que vive solo en tu ordenador. Puede responder por direcciones de redes privadas y por nada más. Quítalo en el mismo sitio cuando ya no lo necesites.',
  'trust.fingerprint': 'Su huella (SHA-256), que el servidor también muestra:',
  'trust.proof.heading': 'Funcionó',
  'trust.proof.https': 'Esta página vino por HTTPS y el aparato se fía de ella.',
  'trust.proof.secure': 'Para el navegador es un contexto seguro.',
  'trust.proof.insecure': 'Para el navegador no es un contexto seguro.',
  'trust.proof.camera': 'Se puede pedir la cámara.',
  'trust.proof.no-camera': 'El navegador no ofrece cámara aquí.',
  'trust.try': 'Probar la cámara',
  'trust.try.works': 'La cámara funciona.',
  'trust.try.fails': 'No hubo cámara: {reason}.',
} as const;

export type TrustKey = keyof typeof es;

const en: Record<TrustKey, string> = {
  'trust.title': 'Abanico · your phone',
  'trust.heading': 'Your phone’s camera, live',
  'trust.lead':
    'A browser gives its camera to pages over HTTPS alone. Tell the phone once to trust this server; it takes half a minute.',
  'trust.scan': 'Scan this with the phone',
  'trust.scan.text': 'The phone must be in the same network as this computer. The code opens this page there:',
  'trust.scan.code':
    'The code lets one phone go live without the operator’s key. It holds for a quarter of an hour, and once.',
  'trust.ios': 'On an iPhone or iPad',
  'trust.ios.get': 'Get the profile',
  'trust.ios.1':
    'Open it with Safari and allow the download. Then go to Settings: “Profile Downloaded” stands at the top (or General › VPN & Device Management). Tap Install, top right, and again.',
  'trust.ios.2': 'Settings › General › About › Certificate Trust Settings, at the very bottom: switch Abanico on.',
  'trust.ios.3': 'Come back to this page.',
  'trust.android': 'On an Android phone',
  'trust.android.get': 'Get the certificate',
  'trust.android.1':
    'Open Settings and search for “CA certificate”. It is under Security › More security settings › Encryption & credentials › Install a certificate.',
  'trust.android.2': 'Choose CA certificate, “Install anyway”, and the file abanico-ca.crt from the downloads.',
  'trust.android.3': 'Come back to this page, in Chrome.',
  'trust.other': 'On this computer',
  'trust.other.1':
    'Import the file as an authority that is trusted for websites: in Chrome or Edge under Settings › Privacy and security › Security › Manage certificates; on a Mac in Keychain Access, “Always Trust”; in Firefox under Settings › Certificates.',
  'trust.other.2': 'Come back to this page. At http://localhost the camera works without it.',
  'trust.waiting': 'This page notices by itself when it is done…',
  'trust.works': 'It worked: this device trusts the server.',
  'trust.next': 'Go on over HTTPS',
  'trust.what':
    'The certificate is of an authority that lives on your computer alone. It can vouch for addresses of private networks and for nothing else. Remove it in the same place when you do not need it any more.',
  'trust.fingerprint': 'Its fingerprint (SHA-256), which the server prints, too:',
  'trust.proof.heading': 'It worked',
  'trust.proof.https': 'This page came over HTTPS, and the device trusts it.',
  'trust.proof.secure': 'The browser calls it a secure context.',
  'trust.proof.insecure': 'The browser does not call it a secure context.',
  'trust.proof.camera': 'The camera may be asked for.',
  'trust.proof.no-camera': 'The browser offers no camera here.',
  'trust.try': 'Try the camera',
  'trust.try.works': 'The camera works.',
  'trust.try.fails': 'The camera was not given: {reason}.',
};

export const trustTexts = { es, en };
