//! What is wrong with what a Socket.IO publisher sends: it is passed on as it came all the same, and both ends are told.

use abanico_live::SourceError;
use abanico_media::jpeg::Damage;
use abanico_media::mp4::DemuxError;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// In a WebM recording there are bytes that mean nothing.
    Garbage,
    /// Of an MP4 recording nothing more can be read.
    Mp4(DemuxError),
    /// A JPEG picture is not whole, or is none.
    Picture(Option<Damage>),
    /// It is nothing that a recording or a picture could begin with.
    Nothing,
    /// No frames can be made of it for who watches over another door.
    Frames(SourceError),
}

/// What a publisher was told already: each kind once in a stream.
#[derive(Debug, Default)]
pub(crate) struct Told([bool; 5]);

impl Told {
    /// Whether a publisher is still to be told of this kind of trouble, which it is then.
    pub(crate) fn tell(&mut self, trouble: &Trouble) -> bool {
        !std::mem::replace(&mut self.0[trouble.kind()], true)
    }

    /// Whether it was told of a broken picture.
    pub(crate) fn of_pictures(&self) -> bool {
        self.0[Trouble::Picture(None).kind()]
    }
}

impl Trouble {
    fn kind(&self) -> usize {
        match self {
            Self::Garbage => 0,
            Self::Mp4(_) => 1,
            Self::Picture(_) => 2,
            Self::Frames(_) => 3,
            Self::Nothing => 4,
        }
    }

    /// What the publisher is told.
    pub(crate) fn to_publisher(&self) -> String {
        match self {
            Self::Garbage => "En la grabación WebM hay bytes que no significan nada donde debería empezar un Cluster o una \
                cabecera EBML: lo que sigue no se ve hasta el próximo fotograma clave. Remedio: enviar todos los trozos de \
                MediaRecorder, enteros y en orden, o empezar la grabación de nuevo."
                .to_owned(),
            Self::Mp4(DemuxError::NotFragmented) => "El MP4 no está fragmentado y no se puede ver mientras llega. Remedio: \
                con ffmpeg, -movflags empty_moov+default_base_moof+frag_every_frame."
                .to_owned(),
            Self::Mp4(error) => format!(
                "La grabación MP4 está dañada y no se puede leer más ({error}). Remedio: empezar la grabación de nuevo."
            ),
            Self::Picture(damage) => format!(
                "Una imagen JPEG está dañada o no termina como debe{}; quien mira recibe lo mismo que llegó. \
                Remedio: enviar cada imagen entera en un solo mensaje.",
                damage.map_or_else(String::new, |damage| format!(" ({damage})"))
            ),
            Self::Nothing => "Lo que llega no empieza como WebM, Matroska, MP4 fragmentado ni como una imagen JPEG, PNG o WebP: \
                quien mira por Socket.IO lo recibe tal cual, y por las demás puertas no se ve nada. Remedio: enviar todos los \
                trozos de MediaRecorder desde el primero, o cada imagen entera en un solo mensaje."
                .to_owned(),
            Self::Frames(error) => format!(
                "Quien mira por otra puerta que Socket.IO no puede ver lo que llega ({error})."
            ),
        }
    }

    /// What a viewer at another door is told.
    pub(crate) fn to_viewer(&self) -> String {
        let what = match self {
            Self::Garbage => "bytes came where a Cluster or an EBML header should begin",
            Self::Mp4(error) => return format!("what its publisher sends cannot be read: {error}"),
            Self::Nothing => "it begins like no recording and no picture",
            Self::Picture(None) => "a JPEG picture is cut off, or is none",
            Self::Picture(Some(damage)) => {
                return format!("a JPEG picture of its publisher is damaged: {damage}");
            }
            Self::Frames(error) => {
                return format!("what its publisher sends cannot be had here: {error}");
            }
        };
        format!("what its publisher sends cannot be read now: {what}")
    }
}
