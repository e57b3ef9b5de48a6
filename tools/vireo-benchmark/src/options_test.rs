//! Command lines: what is accepted, what it means, what is refused with which words.

use super::{Amount, Asked, Options, Order, Place, Refused, Style, parse};

fn asked(line: &str) -> Result<Asked, Refused> {
    parse(&line.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
}

fn options(line: &str) -> Options {
    match asked(line) {
        Ok(Asked::Run(options)) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

fn why(line: &str) -> String {
    match asked(line) {
        Err(Refused::Because(why)) => why,
        other => panic!("{line}: {other:?}"),
    }
}

//= valkey 9.1 benchmark: 50 clients, 100000 requests, 3 bytes, 3 significant digits
#[test]
fn nothing_asked_is_the_reference_s_default() {
    let options = options("");
    assert_eq!(options, Options::default());
    assert_eq!((options.load.clients, options.load.amount), (50, Amount::Requests(100_000)));
    assert_eq!((options.content.data_len, options.output.digits), (3, 3));
}

#[test]
fn every_option() {
    let all = options(
        "-h example.org -p 7000 -a secret --user me --dbnum 4 -3 --enable-tracking -c 7 -n 12 --warmup 1.5 -d 100 -P 4 \
         --threads 3 -k 0 -r 1000 --sequential --seed 42 --rps 99 -q --precision 2 -l -I -t GET,set --num-functions 5 \
         --num-keys-in-fcall 2 --json a.json --chart a.svg",
    );
    assert_eq!(all.place, Place::Tcp("example.org".into(), 7000));
    let session = &all.session;
    assert_eq!(
        (session.user.as_deref(), session.password.as_deref()),
        (Some(&b"me"[..]), Some(&b"secret"[..]))
    );
    assert_eq!((session.db, session.resp3, session.tracking), (4, true, true));
    assert_eq!((all.load.clients, all.load.pipeline, all.load.threads), (7, 4, 3));
    assert_eq!((all.load.amount, all.load.warmup_s, all.load.rate), (Amount::Requests(12), 1.5, Some(99)));
    assert!(!all.load.keep_alive && all.forever && all.idle);
    assert_eq!((all.keys.range, all.keys.order, all.keys.seed), (Some(1000), Order::Sequential, Some(42)));
    assert_eq!(all.content.tests.as_deref(), Some(&["get".to_owned(), "set".to_owned()][..]));
    assert_eq!((all.content.data_len, all.content.functions, all.content.fcall_keys), (100, 5, 2));
    assert_eq!((all.output.style, all.output.digits), (Style::Quiet, 2));
    assert_eq!((all.output.json.as_deref(), all.output.chart.as_deref()), (Some("a.json"), Some("a.svg")));
    let more = options("-s /tmp/s --duration 2.5 --zipf 1.2 -r 10 --csv -q --mix get:3,set");
    assert_eq!((more.place, more.load.amount), (Place::Unix("/tmp/s".into()), Amount::Seconds(2.5)));
    assert_eq!((more.keys.order, more.output.style), (Order::Zipf(1.2), Style::Csv));
    assert_eq!(more.content.mix.unwrap().parts.len(), 2);
    assert_eq!(options("-u redis://pw@h:1/2 -p 3").place, Place::Tcp("h".into(), 3));
    assert_eq!(options("-p 3 -h x").place, Place::Tcp("x".into(), 3));
}

#[test]
fn a_command_ends_the_options() {
    let words = |line| {
        options(line)
            .content
            .command
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(words("-q get -n 3"), ["get", "-n", "3"]);
    assert_eq!(words("-n 3 -- -odd x"), ["-odd", "x"]);
    assert_eq!(words("-n 3"), [""; 0]);
    let both = options("-t get ping");
    assert_eq!(both.warnings, ["WARNING: Option -t is ignored."]);
    assert!(options("-e").warnings[0].contains("-e option has no effect"));
    assert_eq!(asked("-q --help -n"), Ok(Asked::Help));
    assert_eq!((asked("-v"), asked("--version")), (Ok(Asked::Version), Ok(Asked::Version)));
}

//= valkey 9.1 benchmark: what is out of range is taken for the nearest that is not
#[test]
fn numbers_that_the_reference_bends() {
    assert_eq!((options("-d 0").content.data_len, options("-P 0").load.pipeline), (1, 1));
    assert_eq!(options("-d 99999999999").content.data_len, 1 << 30);
    assert_eq!((options("--precision 9").output.digits, options("--precision 0").output.digits), (4, 1));
    let many = options("--threads 501");
    assert_eq!((many.load.threads, many.warnings.len()), (500, 1));
    assert_eq!((options("--rps 0").load.rate, options("-k 2").load.keep_alive), (None, true));
}

#[test]
fn what_is_refused() {
    for line in ["--bogus", "-n", "-q -c", "-Z 3", "--json"] {
        assert!(matches!(asked(line), Err(Refused::Option(_))), "{line}");
    }
    assert_eq!(asked("-q --bogus 3"), Err(Refused::Option("--bogus".into())));
    for line in [
        "-n 0",
        "-n x",
        "-n -1",
        "-n 1e6",
        "-c 0",
        "-r -5",
        "--duration 0",
        "--duration nan",
        "--warmup -1",
        "--zipf x",
    ] {
        assert!(why(line).starts_with("Invalid value"), "{line}: {}", why(line));
    }
    for line in ["-p 65536", "-p x", "-u valkey://h:99999"] {
        assert_eq!(why(line), "Invalid server port.");
    }
    assert_eq!(why("-n 5 --duration 5"), "Options -n and --duration are mutually exclusive.");
    assert_eq!(why("--duration 5 -n 5"), "Options -n and --duration are mutually exclusive.");
    assert!(why("--zipf 1 -r 5 --sequential").contains("mutually exclusive"));
    assert!(why("--zipf 1").contains("-r"));
    assert!(why("--user me").contains("-a"));
    assert!(why("--mix get:0").contains("NAME:WEIGHT"));
    assert!(why("--mix get -t get").contains("excludes"));
    assert!(why("--mix get ping").contains("excludes"));
    assert!(why("-x").contains("needs a command"));
    for line in [
        "--cluster",
        "--rfr all",
        "--tls",
        "--cacert x",
        "--rdma",
        "--mptcp",
        "--fuzz",
        "--fuzz-mode x",
        "-u rediss://x",
    ] {
        assert!(why(line).contains("is not supported by this version of vireo-benchmark"), "{line}");
    }
}
