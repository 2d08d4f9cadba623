//! Nothing secret in any line.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use sidetone_genesys_sim::{Conversation, Customer, Queue};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// Keeps everything that anybody logs, at every level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

struct Into<'a>(&'a mut String);

impl Visit for Into<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The simulated platform is no part of the product.
        !metadata.target().starts_with("sidetone_genesys_sim")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Into(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Into(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut lines = self.0.lock().unwrap();
        lines.push('\n');
        event.record(&mut Into(&mut lines));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn s07_no_secret_token_channel_number_or_name_is_ever_logged() {
    let lines = Lines::default();
    // For the whole process: a subscriber of one thread misses what another thread logged
    // first. So it hears the tests beside this one, which is as good.
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let bench = Bench::start(20.0).await;
    let clock = bench.clock;
    let customer = Customer {
        name: "Springfield".to_owned(),
        ani: "+15555550100".to_owned(),
        dnis: "+15555550199".to_owned(),
    };
    let queue =
        Queue { id: Uuid::from_u128(0xe01), name: "Billing".to_owned(), auto_answer: false };
    let mut call = Conversation::inbound(fresh_key(), customer, queue, clock.now());
    call.ring(&ada(), clock.now());
    bench.platform.publish(&call.snapshot(), Duration::ZERO);
    bench.legs_when(call.key(), "the leg is stored", |legs| legs.len() == 1).await;
    bench.platform.refuse_upgrades(2, 503);
    bench.platform.kill_sockets();
    clock.sleep(Duration::from_secs(15)).await;
    bench.connected().await;
    bench.platform.revoke_tokens();
    clock.sleep(Duration::from_secs(15)).await;
    bench.connected().await;
    bench.end().await;
    let lines = lines.0.lock().unwrap().clone();
    assert!(lines.contains("notification socket open"), "the capture works: {lines}");
    for secret in [
        CLIENT_SECRET,
        "sim-",
        "streaming-",
        "/channels/",
        "Bearer",
        "Basic ",
        "555555",
        "Invented",
        "Springfield",
        "customer.example",
    ] {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
}
