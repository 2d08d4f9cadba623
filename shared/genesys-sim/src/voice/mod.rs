//! What a call sounds like: two synthetic voices, or a file.
//!
//! All of it is random access: any stretch of any call can be rendered again at any time, so
//! the client that sends it and the judge that checks it share no buffer.
//! Refuses: resampling, any rate but 8 kHz.

mod call;
mod music;
mod phrase;
mod source;
mod speaker;
mod stretch;
mod wav;

pub use call::{CallVoice, Scene, Sound};
pub use source::Source;
pub use speaker::Speaker;
pub use stretch::Stretch;
pub use wav::{Recording, WAV_BYTES_MAX, WavError, WavFault};
