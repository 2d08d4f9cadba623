//! What a customer hears who is not talking to anybody: hold music and ringing.

use std::f32::consts::TAU;

/// A note lasts a quarter of a second.
const NOTE_SAMPLES: u64 = 2_000;

/// Four chords, broken into eight notes each; in hertz.
const CHORDS: [[f32; 4]; 4] = [
    [261.6, 329.6, 392.0, 523.3],
    [220.0, 261.6, 329.6, 440.0],
    [349.2, 440.0, 523.3, 698.5],
    [392.0, 493.9, 587.3, 784.0],
];
const FIGURE: [usize; 8] = [0, 1, 2, 3, 2, 1, 2, 1];

/// Returns one sample of hold music.
pub(super) fn music(sample: u64) -> i16 {
    let note = sample / NOTE_SAMPLES;
    let within = (sample % NOTE_SAMPLES) as f32;
    let chord = &CHORDS[(note / FIGURE.len() as u64 % CHORDS.len() as u64) as usize];
    let pitch = chord[FIGURE[(note % FIGURE.len() as u64) as usize]];
    let phase = TAU * pitch * within / 8_000.0;
    // Struck, then fading, with a short rise against clicks.
    let envelope = (within / 80.0).min(1.0) * (1.0 - 0.8 * within / NOTE_SAMPLES as f32);
    let tail = ((NOTE_SAMPLES as f32 - within) / 80.0).min(1.0);
    ((phase.sin() + 0.3 * (2.0 * phase).sin()) * envelope * tail * 3_200.0) as i16
}

/// Returns one sample of the ringing tone: two seconds on, four off.
pub(super) fn ringback(sample: u64) -> i16 {
    let within = sample % 48_000;
    if within >= 16_000 {
        return 0;
    }
    let time = within as f32 / 8_000.0;
    (((TAU * 440.0 * time).sin() + (TAU * 480.0 * time).sin()) * 1_600.0) as i16
}
