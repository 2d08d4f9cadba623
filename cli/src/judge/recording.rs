//! A finished recording, read by another WAV reader than the one that wrote it.

use std::io::Cursor;

use bytes::Bytes;
use sidetone_consumer::Sidecar;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

/// The sidecar of a session with the sound that it names.
#[derive(Debug, Clone)]
pub struct SessionRecording {
    /// The description.
    pub sidecar: Sidecar,
    /// The WAV, if the description names one.
    pub wave: Option<Wave>,
}

/// Decoded sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// Samples per second and channel.
    pub rate: u32,
    /// Channels; their samples alternate.
    pub channels: usize,
    /// The samples.
    pub samples: Vec<i16>,
}

/// Why a recording cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The sidecar is not one.
    #[error("the sidecar cannot be read")]
    Sidecar(#[source] serde_json::Error),
    /// The WAV is not one.
    #[error("the WAV file cannot be decoded")]
    Wave(#[source] Error),
    /// The WAV has no sound, or no rate.
    #[error("the WAV file does not say what it holds")]
    Empty,
}

impl SessionRecording {
    /// Reads both files.
    ///
    /// Errors: [`RecordingError`] if either is not what it should be.
    pub fn read(sidecar: &[u8], wav: Option<Bytes>) -> Result<Self, RecordingError> {
        let sidecar = serde_json::from_slice(sidecar).map_err(RecordingError::Sidecar)?;
        let wave = wav.map(Wave::decode).transpose()?;
        Ok(Self { sidecar, wave })
    }
}

impl Wave {
    /// Decodes a WAV file.
    ///
    /// Errors: [`RecordingError`] if it is none.
    pub fn decode(file: Bytes) -> Result<Self, RecordingError> {
        let source = MediaSourceStream::new(Box::new(Cursor::new(file)), Default::default());
        let options = (FormatOptions::default(), MetadataOptions::default());
        let mut format = symphonia::default::get_probe()
            .probe(&Hint::new(), source, options.0, options.1)
            .map_err(RecordingError::Wave)?;
        let track = format.default_track(TrackType::Audio).ok_or(RecordingError::Empty)?;
        let track_id = track.id;
        let parameters = track.codec_params.as_ref().and_then(|any| any.audio());
        let parameters = parameters.ok_or(RecordingError::Empty)?;
        let rate = parameters.sample_rate.ok_or(RecordingError::Empty)?;
        let channels = parameters.channels.as_ref().ok_or(RecordingError::Empty)?.count();
        let mut decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(RecordingError::Wave)?;
        let mut samples = Vec::new();
        let mut piece: Vec<i16> = Vec::new();
        while let Some(packet) = format.next_packet().map_err(RecordingError::Wave)? {
            if packet.track_id == track_id {
                let sound = decoder.decode(&packet).map_err(RecordingError::Wave)?;
                sound.copy_to_vec_interleaved(&mut piece);
                samples.extend_from_slice(&piece);
            }
        }
        Ok(Self { rate, channels, samples })
    }

    /// Returns how many samples each channel has.
    pub fn length(&self) -> u64 {
        (self.samples.len() / self.channels.max(1)) as u64
    }
}
