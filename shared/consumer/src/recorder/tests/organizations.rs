//! Organizations whose calls have the same ids.

use super::*;

#[tokio::test]
async fn the_same_ids_in_another_organization_touch_nothing() {
    let mut bench = recorded(&[whole_call()]).await;
    let before = (bench.file(1, "wav"), bench.file(1, "json"));
    let mut other = conversation_key();
    other.organization = "00000000-0000-4000-8000-0000000000ff".parse().unwrap();
    let script = Script::new("c").in_conversation(other).start("always").frames(0, 100).end(800);
    bench.take([script.data()]).await;
    bench.tidy(Duration::from_secs(9_999)).await;
    assert_eq!((bench.file(1, "wav"), bench.file(1, "json")), before);
    assert_eq!(bench.recordings.part_count(), 0);
}

#[tokio::test]
async fn two_organizations_with_the_same_ids_have_a_recording_each() {
    let mut other = conversation_key();
    other.organization = "0f0e0d0c-0b0a-4908-8706-0504030201ff".parse().unwrap();
    let own = whole_call().parts(4);
    let script = Script::new("c").in_conversation(other).start("always").frames(0, 100).end(800);
    let mut bench = Bench::new();
    bench.take([own[0].clone(), script.data(), own[1].clone()]).await;
    bench.restart();
    bench.take(own[2..].to_vec()).await;
    bench.tidy(Duration::from_secs(60)).await;
    assert_eq!(bench.wav(1).unwrap(), sound(200, 1_000));
    let name = recording_name(other, session_id(1));
    let sidecar = bench.recordings.file(&format!("{name}.json")).unwrap();
    let sidecar: Sidecar = serde_json::from_slice(&sidecar).unwrap();
    assert_eq!(sidecar.organization, other.organization);
    assert_eq!(read_wav(bench.recordings.file(&format!("{name}.wav")).unwrap()), sound(0, 100));
    assert_eq!(bench.recordings.part_count(), 0, "the parts of both are gone");
}
