//! Times and ids, short enough for a column.

use sidetone_model::{ConversationId, Position, Timestamp};

/// Writes the time of day in UTC, with milliseconds if `exact`.
pub(crate) fn clock_time(at: Timestamp, exact: bool) -> String {
    let text = at.to_string();
    let time = text.split_once('T').map_or("", |(_, time)| time);
    let length = if exact { 12 } else { 8 };
    time.get(..length).unwrap_or("--:--:--").to_owned()
}

/// Writes a time into the media as `mm:ss`, with tenths if `exact`; hours where there are any.
pub(crate) fn media_time(position: Position, exact: bool) -> String {
    let millis = position.as_millis();
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
    let tenths = if exact { format!(".{}", millis % 1_000 / 100) } else { String::new() };
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}{tenths}")
    } else {
        format!("{minutes:02}:{seconds:02}{tenths}")
    }
}

/// Returns the first digits of a conversation's id: enough to find it again.
pub(crate) fn short(conversation: ConversationId) -> String {
    conversation.to_string().chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let at: Timestamp = "2026-08-15T09:00:12.864Z".parse().unwrap();
        assert_eq!(clock_time(at, false), "09:00:12");
        assert_eq!(clock_time(at, true), "09:00:12.864");
        assert_eq!(media_time(Position::from_millis(62_950), false), "01:02");
        assert_eq!(media_time(Position::from_millis(62_950), true), "01:02.9");
        assert_eq!(media_time(Position::from_millis(3_723_000), false), "1:02:03");
    }
}
