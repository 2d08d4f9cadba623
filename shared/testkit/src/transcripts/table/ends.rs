//! Sessions that do not end as a call does.

use super::Row;
use crate::transcripts::Needs::{Deadlines, LargeMessages, Nothing, Order};

/// "Violations".
pub(super) const FAULTS: &[Row] = &[
    (
        "what is no JSON ends the session",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        >> {not json
        < disconnect {"reason":"error","info":"Client Error: Text message not valid JSON"}
        > close {"reason":"disconnect"}
        < closed
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
    (
        "what is no JSON at the beginning ends the session",
        Nothing,
        r#"
        >> hello?
        < disconnect {"reason":"error","info":"Client Error: Text message not valid JSON"}
        > close {"reason":"disconnect"}
        < closed
        "#,
    ),
    (
        "JSON that is no message ends the session",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        >> ["ping"]
        < disconnect {"reason":"error",
        | "info":"Client Error: Message not a well-formed client message"}
        > close {"reason":"disconnect"}
        < closed
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
    (
        "a number left out ends the session",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > ping @seq=9
        < disconnect {"reason":"error",
        | "info":"Client Error: Invalid seq value (not monotonically increasing)"}
        > close {"reason":"disconnect"}
        < closed
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
    (
        "a number left out before open ends the session",
        Nothing,
        r#"
        > open @seq=2
        < disconnect {"reason":"error",
        | "info":"Client Error: Invalid seq value (not monotonically increasing)"}
        > close {"reason":"disconnect"}
        < closed
        "#,
    ),
    (
        "a number used twice ends the session",
        Order,
        r#"
        > open
        < opened {"startPaused":false}
        > ping @seq=1
        < disconnect {"reason":"error",
        | "info":"Client Error: Invalid seq value (not monotonically increasing)"}
        > close {"reason":"disconnect"}
        < closed
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
    (
        "a number of ours that we never sent ends the session",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > ping @serverseq=7
        < disconnect {"reason":"error","info":"Client Error: Invalid serverseq value"}
        > close {"reason":"disconnect"}
        < closed
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
    (
        "a message of another session ends this one",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > ping @id=other
        < disconnect {"reason":"error","info":"Client Error: Session identifier mismatch"}
        > close {"reason":"disconnect"}
        < closed
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
    (
        "a message that is too large ends the session",
        LargeMessages,
        r#"
        > open
        < opened {"startPaused":false}
        > ping @bytes=65537
        < disconnect @clientseq=1 {"reason":"error","info":"*"}
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
    (
        "a client that is told to go may still ping",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > resumed {"start":"nonsense"}
        < disconnect {"reason":"error","info":"Client Error: Invalid/missing parameters"}
        > ping
        < pong
        > close {"reason":"disconnect"}
        < closed
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
    (
        "who never opens is told to go",
        Deadlines,
        r#"
        < disconnect {"reason":"error","info":"Client Error: Timeout waiting for open"}
        > close {"reason":"disconnect"}
        < closed
        "#,
    ),
    (
        "who falls silent is told to go",
        Deadlines,
        r#"
        > open
        < opened {"startPaused":false}
        > ping
        < pong
        < disconnect {"reason":"error","info":"Client Error: Timeout waiting for ping"}
        > close {"reason":"disconnect"}
        < closed
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
];

/// "Sessions", "States".
pub(super) const ENDING: &[Row] = &[
    (
        "a close before open is answered",
        Nothing,
        r#"
        > close {"reason":"error"}
        < closed
        "#,
    ),
    ("who leaves before open leaves nothing", Nothing, ""),
    (
        "who leaves without a word is lost",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > ping
        < pong
        $STARTED
        $UNMATCHED
        = ended connection-lost at=0 paused=0
        "#,
    ),
    (
        "who is told to go and just leaves broke the rules",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        >> {}
        < disconnect {"reason":"error","info":"*"}
        $STARTED
        $UNMATCHED
        = ended violation at=0 paused=0
        "#,
    ),
];
