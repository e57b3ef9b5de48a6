//! Reports of a made-up run, held against lines of the reference.

use super::{report, warnings};
use crate::dial::ServerConfig;
use crate::latency::Latency;
use crate::options::{Asked, Options, parse};
use crate::run::{Kept, Outcome};

fn options(line: &str) -> Options {
    let words: Vec<Vec<u8>> = line.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect();
    match parse(&words) {
        Ok(Asked::Run(options)) => *options,
        other => panic!("{other:?}"),
    }
}

fn outcome() -> Outcome {
    let mut latency = Latency::new(3);
    for (us, count) in [(100, 500), (200, 400), (1500, 90), (7000, 10)] {
        latency.record(us * 1000, count);
    }
    Outcome {
        title: "GET".to_owned(),
        payload_len: 3,
        requests: 1000,
        elapsed_ns: 500_000_000,
        latency,
        kinds: Vec::new(),
        schedule: None,
        unanswered: 0,
        rates: vec![1000.0, 3000.0],
        user_us: 0,
        system_us: 0,
    }
}

//= valkey 9.1 benchmark: the form of --csv
//= valkey 9.1 benchmark: the form of -q
#[test]
fn short_forms() {
    let csv = report(&outcome(), &options("--csv"), None);
    assert_eq!(csv, "\"GET\",\"2000.00\",\"0.335\",\"0.100\",\"0.100\",\"1.500\",\"1.500\",\"7.000\"\n");
    assert_eq!(
        report(&outcome(), &options("-q"), None),
        "GET: 2000.00 requests per second, p50=0.100 msec\n"
    );
}

//= valkey 9.1 benchmark: the form without -q and --csv
#[test]
fn the_whole_form() {
    let server = ServerConfig { save: "3600 1".to_owned(), appendonly: "no".to_owned() };
    let text = report(&outcome(), &options("-c 5 --threads 2"), Some(&server));
    let expected = "\
====== GET ======
  1000 requests completed in 0.50 seconds
  5 parallel clients
  3 bytes payload
  keep alive: 1
  host configuration \"save\": 3600 1
  host configuration \"appendonly\": no
  multi-thread: yes
  threads: 2

Latency by percentile distribution:
0.000% <= 0.100 milliseconds (cumulative count 500)
75.000% <= 0.200 milliseconds (cumulative count 900)
93.750% <= 1.500 milliseconds (cumulative count 990)
99.219% <= 7.000 milliseconds (cumulative count 1000)
100.000% <= 7.000 milliseconds (cumulative count 1000)

Cumulative distribution of latencies:
50.000% <= 0.100 milliseconds (cumulative count 500)
90.000% <= 0.200 milliseconds (cumulative count 900)
99.000% <= 1.500 milliseconds (cumulative count 990)
100.000% <= 7.000 milliseconds (cumulative count 1000)

Summary:
  throughput summary: 2000.00 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        0.335     0.100     0.100     1.500     1.500     7.000
  latency tail (msec):
        p99.9    p99.99       max
        7.000     7.000     7.000
";
    assert_eq!(text, expected);
    let text = report(&outcome(), &options("-c 5 -k 0"), None);
    assert!(
        !text.contains("host configuration") && text.contains("keep alive: 0\n  multi-thread: no\n\nLatency")
    );
}

#[test]
fn a_schedule_and_kinds() {
    let mut outcome = outcome();
    let mut late = Latency::new(3);
    late.record(20_000, 1000);
    outcome.schedule = Some(Kept { target: 2000, late, unsent: 7, behind_ns: 3_000_000_000, is_kept: false });
    outcome.kinds = vec![("get".to_owned(), outcome.latency.clone()), ("set".to_owned(), Latency::new(3))];
    let text = report(&outcome, &options("--rps 2000"), None);
    for part in [
        "RPS Summary:\n  target RPS: 2000.00\n  RPS distribution (reqs/sec):\n          avg       min       p50",
        "     2000.000  1000.000  1000.000  3000.000  3000.000  3000.000\n",
        "  schedule: NOT KEPT (3.000 seconds behind, 7 requests not sent)\n",
        "             get      1000     0.335     0.100     1.500     1.500     7.000     7.000     7.000\n",
        "             set         0     0.000     0.000",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
    let told = warnings(&outcome);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains(
        "the target rate was not reached: 2000.00 of 2000 requests per second, 3.000 seconds behind"
    ));
    outcome.unanswered = 3;
    assert!(warnings(&outcome)[1].contains("3 requests had no reply"));
    let json =
        crate::json::results(&[outcome], &options("--rps 2000 -r 10 --zipf 1 --duration 3"), 42).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let test = &json["tests"][0];
    assert_eq!(
        (&json["seed"], &json["key_order"], &json["zipf_exponent"]),
        (&42.into(), &"zipf".into(), &1.0.into())
    );
    assert_eq!((&test["requests"], &test["latency_ms"]["p99.9"]), (&1000.into(), &7.0.into()));
    assert_eq!(
        (&test["schedule"]["kept"], &test["schedule"]["requests_not_sent"]),
        (&false.into(), &7.into())
    );
    assert_eq!(test["commands"][0]["name"], "get");
    let curve = test["latency_ms"]["curve"].as_array().unwrap();
    assert_eq!(curve.last().unwrap(), &serde_json::json!([100.0, 7.0, 1000]));
}
