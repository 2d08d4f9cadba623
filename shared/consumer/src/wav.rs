//! A stereo WAV in which each sample stands at its time.
//!
//! Shape: 16 bits, 8,000 Hz, left the customer (external), right what the customer hears
//! (internal), whatever order the session had. What nobody put is silence.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;
use hound::{SampleFormat, WavSpec, WavWriter};
use sidetone_model::{Format, Media, MediaChannel, SAMPLE_RATE};

/// Bytes written to the file at a time: four seconds.
const BUFFER_BYTES: usize = 128 * 1024;

/// Samples of silence written at a time.
const SILENCE_SAMPLES_MAX: u64 = 8_000;

/// Samples that have a place in the file.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Where the first that is used goes, from the file's first sample.
    pub(crate) offset: u64,
    /// How many at their beginning are not used.
    pub(crate) skip: usize,
    /// Up to which they are used, if there are as many.
    pub(crate) until: usize,
    pub(crate) data: Bytes,
    pub(crate) media: Media,
}

/// A WAV file being written.
pub(crate) struct WavFile {
    writer: WavWriter<BufWriter<File>>,
    written: u64,
    mu_law: [i16; 256],
}

/// Creates a file that only its owner may read, whatever the umask is.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

impl WavFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let spec = WavSpec {
            channels: 2,
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let file = BufWriter::with_capacity(BUFFER_BYTES, create_private(path)?);
        let writer = WavWriter::new(file, spec).map_err(into_io_error)?;
        let mut mu_law = [0; 256];
        for (byte, sample) in (0..=u8::MAX).zip(&mut mu_law) {
            *sample = audio_codec_algorithms::decode_ulaw(byte);
        }
        Ok(Self { writer, written: 0, mu_law })
    }

    /// Writes samples at their place; what lies between is silence.
    ///
    /// Samples that claim to be more than their data holds end where it does.
    pub(crate) fn put(&mut self, chunk: &Chunk) -> io::Result<()> {
        self.silence_to(chunk.offset)?;
        let step = chunk.media.bytes_per_step();
        let whole = (chunk.data.len() / step).min(chunk.until);
        let steps = chunk.data[..whole * step].chunks_exact(step).skip(chunk.skip);
        let count = steps.len();
        if count == 0 {
            return Ok(());
        }
        let left = chunk.media.channels.index_of(MediaChannel::External);
        let right = chunk.media.channels.index_of(MediaChannel::Internal);
        let format = chunk.media.format;
        let mu_law = &self.mu_law;
        let sample = |step: &[u8], channel: Option<usize>| -> i16 {
            let Some(channel) = channel else { return 0 };
            match format {
                Format::Pcmu => mu_law[usize::from(step[channel])],
                Format::L16 => i16::from_le_bytes([step[2 * channel], step[2 * channel + 1]]),
            }
        };
        let mut writer = self.writer.get_i16_writer(u32::try_from(2 * count).map_err(too_long)?);
        for step in steps {
            writer.write_sample(sample(step, left));
            writer.write_sample(sample(step, right));
        }
        writer.flush().map_err(into_io_error)?;
        self.written += count as u64;
        Ok(())
    }

    /// Fills up to `samples`, and makes the file a whole one.
    pub(crate) fn finish(mut self, samples: u64) -> io::Result<()> {
        self.silence_to(samples)?;
        self.writer.finalize().map_err(into_io_error)
    }

    fn silence_to(&mut self, offset: u64) -> io::Result<()> {
        while self.written < offset {
            let count = (offset - self.written).min(SILENCE_SAMPLES_MAX);
            let samples = u32::try_from(2 * count).map_err(too_long)?;
            let mut writer = self.writer.get_i16_writer(samples);
            (0..samples).for_each(|_| writer.write_sample(0_i16));
            writer.flush().map_err(into_io_error)?;
            self.written += count;
        }
        Ok(())
    }
}

fn too_long(error: std::num::TryFromIntError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

fn into_io_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        hound::Error::FormatError(_)
        | hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::Unsupported
        | hound::Error::InvalidSampleFormat => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use sidetone_model::MediaChannels;

    use super::*;

    fn written(chunks: &[Chunk], samples: u64) -> Vec<(i16, i16)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut file = WavFile::create(&path).unwrap();
        for chunk in chunks {
            file.put(chunk).unwrap();
        }
        file.finish(samples).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only its owner reads it");
        crate::testing::read_wav(std::fs::read(&path).unwrap())
    }

    fn media(format: Format, channels: &[MediaChannel]) -> Media {
        Media { format, channels: MediaChannels::new(channels).unwrap() }
    }

    fn chunk(offset: u64, skip: usize, until: usize, data: &[u8], media: Media) -> Chunk {
        Chunk { offset, skip, until, data: Bytes::copy_from_slice(data), media }
    }

    #[test]
    fn the_customer_is_left_whatever_the_order() {
        use MediaChannel::{External, Internal};
        let mu_law = |channels| media(Format::Pcmu, channels);
        // 0x80 is the loudest sample, 0xFF silence.
        let loud = audio_codec_algorithms::decode_ulaw(0x80);
        let first = |channels, data: &[u8]| written(&[chunk(0, 0, 1, data, mu_law(channels))], 1);
        assert_eq!(first(&[External, Internal], &[0x80, 0xFF]), [(loud, 0)]);
        assert_eq!(first(&[Internal, External], &[0x80, 0xFF]), [(0, loud)]);
        assert_eq!(first(&[External], &[0x80]), [(loud, 0)]);
        assert_eq!(first(&[Internal], &[0x80]), [(0, loud)]);
    }

    #[test]
    fn linear_samples_are_little_endian() {
        use MediaChannel::{External, Internal};
        let linear = media(Format::L16, &[External, Internal]);
        let data = [0x34, 0x12, 0x00, 0x80];
        assert_eq!(written(&[chunk(0, 0, 1, &data, linear)], 1), [(0x1234, i16::MIN)]);
    }

    #[test]
    fn everything_stands_at_its_time() {
        let mono = media(Format::Pcmu, &[MediaChannel::External]);
        let sample = audio_codec_algorithms::decode_ulaw(0x10);
        let data = [0x10; 4];
        let chunks = [chunk(0, 0, 2, &data[..2], mono), chunk(5, 2, 4, &data, mono)];
        let expected = [1, 1, 0, 0, 0, 1, 1, 0, 0].map(|heard| (heard * sample, 0));
        assert_eq!(written(&chunks, 9), expected);
    }

    #[test]
    fn data_shorter_than_it_claims_is_silence_behind() {
        let stereo = Media::PCMU_STEREO;
        let sample = audio_codec_algorithms::decode_ulaw(0x10);
        let chunks = [chunk(0, 0, 4, &[0x10; 5], stereo), chunk(4, 0, 1, &[], stereo)];
        let expected = [sample, sample, 0, 0, 0].map(|sample| (sample, sample));
        assert_eq!(written(&chunks, 5), expected);
    }
}
