//! What is written as a bulk string or an error is one whole reply, whatever the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vireo_core::resp::{Proto, Reply};

fuzz_target!(|data: &[u8]| {
    for proto in [Proto::Resp2, Proto::Resp3] {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, proto);
        reply.bulk(data);
        reply.error(data);
        let head = format!("${}\r\n", data.len());
        let rest = out.strip_prefix(head.as_bytes()).expect("the header of a bulk string");
        let (bulk, error) = rest.split_at(data.len());
        assert_eq!(bulk, data);
        // One line, whatever was in the text.
        assert!(error.starts_with(b"\r\n-") && error.ends_with(b"\r\n"));
        assert!(!error[3..error.len() - 2].iter().any(|byte| matches!(byte, b'\r' | b'\n')));
        assert_eq!(error.len(), data.len() + 5);
    }
});
