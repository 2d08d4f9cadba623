//! Calls that go well.

use super::Row;
use crate::transcripts::Needs::{LargeMessages, Nothing};

/// "Connection", "Client messages".
pub(super) const OPENING: &[Row] = &[
    (
        "a probe is opened and leaves nothing",
        Nothing,
        r#"
        > open {"conversationId":"00000000-0000-0000-0000-000000000000",
        | "participant":{"id":"00000000-0000-0000-0000-000000000000",
        | "ani":"","aniName":"","dnis":""}}
        < opened {"startPaused":false}
        > ping
        < pong
        > close {"reason":"end"}
        < closed
        "#,
    ),
    (
        "a call is opened and closed",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "a close without a reason is a close",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > close
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "unknown parameters and fields of open are passed over",
        Nothing,
        r#"
        > open {"customConfig":{"a":[1,2]},"inputVariables":{"b":null},"somethingNew":true}
        < opened {"startPaused":false}
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "languages are listed for those who ask",
        Nothing,
        r#"
        > open {"supportedLanguages":true}
        < opened {"startPaused":false,"supportedLanguages":[]}
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "no language is none",
        Nothing,
        r#"
        > open @without=language
        < opened {"startPaused":false}
        > close {"reason":"end"}
        < closed
        = started participant=beefcafe-4321-4cba-9fed-ba9876543210 language=none
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "a participant without numbers and names is one",
        Nothing,
        r#"
        > open {"participant":{"id":"beefcafe-4321-4cba-9fed-ba9876543210"}}
        < opened {"startPaused":false}
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "a participant whose numbers are null or empty is one",
        Nothing,
        r#"
        > open {"participant":{"id":"beefcafe-4321-4cba-9fed-ba9876543210",
        | "ani":null,"aniName":"","dnis":null}}
        < opened {"startPaused":false}
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "a call of the null participant is a call",
        Nothing,
        r#"
        > open {"participant":{"id":"00000000-0000-0000-0000-000000000000"}}
        < opened {"startPaused":false}
        > close {"reason":"end"}
        < closed
        = started participant=00000000-0000-0000-0000-000000000000 language=en-US
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "no participant is a fault",
        Nothing,
        r#"
        > open {"participant":null}
        < disconnect {"reason":"error","info":"Client Error: Invalid/missing parameters"}
        > close {"reason":"disconnect"}
        < closed
        "#,
    ),
    (
        "a missing participant is a fault",
        Nothing,
        r#"
        > open @without=participant
        < disconnect {"reason":"error","info":"Client Error: Invalid/missing parameters"}
        > close {"reason":"disconnect"}
        < closed
        "#,
    ),
    (
        "another organization is unauthorized",
        Nothing,
        r#"
        > open {"organizationId":"$other"}
        < disconnect {"reason":"unauthorized"}
        > close {"reason":"disconnect"}
        < closed
        "#,
    ),
    (
        "a second open changes nothing",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > open {"conversationId":"$other"}
        > ping
        < pong
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "a continued session is a session",
        Nothing,
        r#"
        > open @position=PT10S {"continuedSessions":[{"id":"$other","serverseq":7,"clientseq":9}]}
        < opened {"startPaused":false}
        > close {"reason":"reconnect"}
        < closed
        $STARTED
        = match agent=none reason=no-agent at=80000
        = ended closed at=80000 paused=0
        "#,
    ),
];

/// "Client messages", "Session ids".
pub(super) const TALKING: &[Row] = &[
    (
        "pings are answered one by one",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > ping
        < pong
        > ping {"rtt":"PT0.05S"}
        < pong
        > ping @bytes=400
        < pong
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "pings that come together are answered in order",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > ping
        > ping
        > ping
        < pong @clientseq=2
        < pong @clientseq=3
        < pong @clientseq=4
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "an update is answered",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > update {"language":"de-DE"}
        < updated
        > update
        < updated
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "unknown types are counted and passed over",
        Nothing,
        r#"
        > somethingNew {"a":1}
        > open
        < opened {"startPaused":false}
        > somethingNew
        > dtmf {"digit":"5"}
        > playback_started
        > ping
        < pong
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "an error of the client's costs nothing",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > error {"code":415,"message":"media not understood"}
        > error {"code":429,"message":"too many","retryAfter":"PT0.1S"}
        > ping
        < pong
        > close {"reason":"error"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "the session is spelt as the client spells it",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > ping @id=upper
        < pong
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "messages of 64,000 bytes are taken",
        LargeMessages,
        r#"
        > open @bytes=64000
        < opened {"startPaused":false}
        > ping @bytes=64000
        < pong
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
];

/// "Pauses", "Position".
pub(super) const PAUSING: &[Row] = &[
    (
        "a pause that nobody asked for is told",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > paused
        > ping @position=PT2S
        < pong
        > resumed @position=PT4S {"start":"PT0S","discarded":"PT4S"}
        > ping
        < pong
        > close {"reason":"end"}
        < closed
        $STARTED
        = paused at=0 asked=no
        = resumed 0..32000
        = match agent=none reason=no-agent at=32000
        = ended closed at=32000 paused=4000
        "#,
    ),
    (
        "a pause told twice is one, and a call may end in it",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > paused
        > paused
        > ping
        < pong
        > close {"reason":"end"}
        < closed
        $STARTED
        = paused at=0 asked=no
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
    (
        "discarded media is a gap",
        Nothing,
        r#"
        > open
        < opened {"startPaused":false}
        > discarded @position=PT1S {"start":"PT0S","discarded":"PT1S"}
        > ping
        < pong
        > close {"reason":"end"}
        < closed
        $STARTED
        = gap 0..8000 discarded
        = match agent=none reason=no-agent at=8000
        = ended closed at=8000 paused=0
        "#,
    ),
    (
        "a pause before opened means nothing",
        Nothing,
        r#"
        > paused
        > ping
        > open
        < opened {"startPaused":false}
        > close {"reason":"end"}
        < closed
        $STARTED
        $UNMATCHED
        = ended closed at=0 paused=0
        "#,
    ),
];
