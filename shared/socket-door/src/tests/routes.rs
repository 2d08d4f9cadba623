//! Paths, methods, health.

use super::client::Client;
use super::stage::Setup;

#[tokio::test]
async fn a_call_goes_through_the_door() {
    let stage = Setup::new().start();
    let mut client = Client::open(&stage).await;
    client.send_audio(vec![7; 3_200]).await;
    client.ping().await;
    client.close().await;
    let audio = stage.audio_after(1).await;
    assert_eq!(audio.len(), 1);
    assert!(audio[0].data.iter().all(|sample| *sample == 7));
    stage.emptied().await;
}
