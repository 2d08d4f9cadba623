//! Metrics in CloudWatch's embedded format: one JSON line on standard output a flush.
//!
//! Every metric stands under the namespace `Sidetone` and the one dimension `Service`. Labels
//! become properties, which can be searched but are not billed as metrics of their own. A
//! histogram keeps a fair sample of as many values as one line may hold: the long-lived door
//! measures ten thousand a second.
//!
//! Source: CloudWatch's "Embedded metric format specification".

mod recorder;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use recorder::{Reading, Recorder};

const NAMESPACE: &str = "Sidetone";
const DIMENSION: &str = "Service";
/// As many metrics as one line may hold.
const LINE_METRICS_MAX: usize = 100;

/// Where a process's metrics gather. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    service: Arc<str>,
    recorder: Recorder,
}

impl Metrics {
    /// Makes a place for metrics and the process's recorder for it.
    ///
    /// If the process has a recorder already, that one stays and this stays empty.
    pub fn install(service: &str) -> Self {
        let metrics = Self::new(service);
        if metrics::set_global_recorder(metrics.recorder.clone()).is_err() {
            tracing::warn!("this process has a recorder of metrics already");
        }
        metrics
    }

    fn new(service: &str) -> Self {
        Self { service: service.into(), recorder: Recorder::default() }
    }

    /// Writes what has gathered to standard output, and starts over.
    pub fn flush(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Err(error) = self.flush_to(&mut io::stdout().lock(), now) {
            tracing::warn!(%error, "metrics could not be written");
        }
    }

    /// Flushes every so often, until dropped.
    pub async fn flush_every(&self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        // A function that was frozen need not catch up.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.flush();
        }
    }

    fn flush_to(&self, out: &mut impl Write, now: Duration) -> io::Result<()> {
        for (labels, readings) in self.recorder.take() {
            for readings in readings.chunks(LINE_METRICS_MAX) {
                let line = self.line(&labels, readings, now);
                serde_json::to_writer(&mut *out, &line)?;
                out.write_all(b"\n")?;
            }
        }
        out.flush()
    }

    fn line(&self, labels: &[(String, String)], readings: &[Reading], now: Duration) -> Value {
        let named = readings.iter().map(|reading| match unit_of(&reading.name) {
            Some(unit) => json!({"Name": reading.name, "Unit": unit}),
            None => json!({"Name": reading.name}),
        });
        let directive = json!({
            "Namespace": NAMESPACE,
            "Dimensions": [[DIMENSION]],
            "Metrics": named.collect::<Vec<_>>(),
        });
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut line = Map::new();
        line.insert("_aws".into(), json!({"Timestamp": millis, "CloudWatchMetrics": [directive]}));
        line.insert(DIMENSION.into(), json!(&*self.service));
        for (name, value) in labels {
            line.insert(name.clone(), json!(value));
        }
        for reading in readings {
            line.insert(reading.name.clone(), reading.value.clone());
        }
        Value::Object(line)
    }
}

/// A metric's name ends with its unit.
fn unit_of(name: &str) -> Option<&'static str> {
    match name.rsplit('_').next() {
        Some("total") => Some("Count"),
        Some("seconds") => Some("Seconds"),
        Some("milliseconds") => Some("Milliseconds"),
        Some("bytes") => Some("Bytes"),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, gauge, histogram};

    use super::*;

    const NOW: Duration = Duration::from_millis(1_795_000_000_000);

    fn lines(metrics: &Metrics) -> Vec<Value> {
        let mut out = Vec::new();
        metrics.flush_to(&mut out, NOW).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_what_cloud_watch_reads() {
        let metrics = Metrics::new("door");
        metrics::with_local_recorder(&metrics.recorder, || {
            counter!("sidetone_puts_total").increment(2);
            counter!("sidetone_puts_total").increment(3);
            gauge!("sidetone_sessions").set(7.0);
        });
        let expected = json!({
            "_aws": {
                "Timestamp": 1_795_000_000_000_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "Sidetone",
                    "Dimensions": [["Service"]],
                    "Metrics": [
                        {"Name": "sidetone_puts_total", "Unit": "Count"},
                        {"Name": "sidetone_sessions"},
                    ],
                }],
            },
            "Service": "door",
            "sidetone_puts_total": 5,
            "sidetone_sessions": 7.0,
        });
        assert_eq!(lines(&metrics), [expected]);
        assert!(lines(&metrics).is_empty(), "what was written starts over");
    }

    #[test]
    fn labels_are_no_dimensions() {
        let metrics = Metrics::new("door");
        metrics::with_local_recorder(&metrics.recorder, || {
            counter!("sidetone_refusals_total", "cause" => "replay").increment(1);
            counter!("sidetone_refusals_total", "cause" => "key").increment(1);
        });
        let lines = lines(&metrics);
        let causes: Vec<_> = lines.iter().map(|line| line["cause"].clone()).collect();
        assert_eq!(causes, ["key", "replay"]);
        for line in &lines {
            let dimensions = &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
            assert_eq!(*dimensions, json!([["Service"]]));
        }
    }

    #[test]
    fn a_histogram_keeps_a_fair_sample() {
        let metrics = Metrics::new("door");
        metrics::with_local_recorder(&metrics.recorder, || {
            let histogram = histogram!("sidetone_wait_seconds");
            (0..100_000).for_each(|number| histogram.record(f64::from(number)));
        });
        let lines = lines(&metrics);
        let values = lines[0]["sidetone_wait_seconds"].as_array().unwrap();
        assert_eq!(values.len(), 100);
        let mean = values.iter().filter_map(Value::as_f64).sum::<f64>() / 100.0;
        assert!((30_000.0..70_000.0).contains(&mean), "a mean of {mean} is not fair");
    }

    #[test]
    fn a_long_line_is_cut() {
        let metrics = Metrics::new("door");
        metrics::with_local_recorder(&metrics.recorder, || {
            (0..150).for_each(|number| counter!(format!("sidetone_{number}_total")).increment(1));
        });
        assert_eq!(lines(&metrics).len(), 2);
    }
}
