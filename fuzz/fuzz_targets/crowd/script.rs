//! What everybody does, from the fuzzer's bytes.

use vireo_backend_sim::{Faults, Order};
use vireo_core::engine::model::{Choice, request};

/// Bytes that decide one event.
const STEP_LEN: usize = 8;
/// Events of one run, so that it stays short.
const STEPS_MAX: usize = 150;
/// What nobody says: it would keep the watcher from asking for as long as somebody likes.
const UNSAID: &[u8] = b"pause";

/// Something that somebody does.
pub enum Event {
    /// A client sends bytes; one that is not connected connects first.
    Send(usize, Vec<u8>),
    /// The watcher sends a request that changes a setting.
    Configure(Vec<u8>),
    /// Time passes, ns.
    Wait(u64),
    /// A client goes in order.
    Close(usize),
    /// Its connection breaks.
    Reset(usize),
    /// It says that it has nothing more to say.
    End(usize),
    /// It takes what comes, or leaves it.
    Read(usize, bool),
}

/// What everybody does.
pub struct Script {
    pub clients: usize,
    pub seed: u64,
    /// Threads that read and write, the main thread included.
    pub io_threads: usize,
    pub faults: Faults,
    pub events: Vec<Event>,
}

impl Script {
    /// The script of these bytes; `None` when they are too few.
    pub fn new(data: &[u8]) -> Option<Self> {
        let (&[clients, seed, threads, faults], rest) = data.split_first_chunk::<4>()?;
        let mut script = Self {
            clients: 1 + usize::from(clients % 4),
            seed: u64::from(seed),
            io_threads: if threads & 1 == 0 { 1 } else { 3 },
            faults: faults_of(faults, threads >> 1),
            events: Vec::new(),
        };
        let mut said: Vec<Vec<u8>> = vec![Vec::new(); script.clients];
        for step in rest.chunks(STEP_LEN).take(STEPS_MAX) {
            let (&kind, bytes) = step.split_first()?;
            script.add(kind, bytes, &mut said);
        }
        Some(script)
    }

    fn add(&mut self, kind: u8, bytes: &[u8], said: &mut [Vec<u8>]) {
        let who = usize::from(kind >> 6) % self.clients;
        let mut choice = Choice::new(bytes);
        let event = match kind & 0x3f {
            0..40 => {
                let sent = sent(kind & 0x3f, bytes, &mut choice);
                self.say(who, sent, &mut said[who], &mut choice);
                return;
            }
            40..46 => {
                // A pipeline.
                let all: Vec<u8> = (0..2 + choice.below(6))
                    .flat_map(|_| request::encode(&request::any(&mut choice)))
                    .collect();
                self.say(who, all, &mut said[who], &mut choice);
                return;
            }
            46..50 => Event::Configure(configure(&mut choice)),
            50..54 => Event::Wait(choice.of(&[1000u64, 1_000_000, 20_000_000, 1_100_000_000])),
            54 | 55 => Event::Close(who),
            56 | 57 => Event::Reset(who),
            58 => Event::End(who),
            59 => Event::Read(who, false),
            _ => Event::Read(who, true),
        };
        self.events.push(event);
    }

    /// Bytes in one piece or two.
    fn say(&mut self, who: usize, mut bytes: Vec<u8>, said: &mut Vec<u8>, choice: &mut Choice<'_>) {
        keep_quiet(&mut bytes, said);
        if !bytes.is_empty() && choice.one_in(3) {
            let rest = bytes.split_off(choice.below(bytes.len()));
            self.events.push(Event::Send(who, core::mem::replace(&mut bytes, rest)));
        }
        self.events.push(Event::Send(who, bytes));
    }
}

/// A request, or something like one.
fn sent(kind: u8, bytes: &[u8], choice: &mut Choice<'_>) -> Vec<u8> {
    let mut whole = request::encode(&match kind {
        16..20 => request::transaction(choice),
        20..22 => request::fill(choice),
        22..25 => request::listening(choice),
        25..30 => return bytes.to_vec(),
        30 => return choice.of(HEADS).to_vec(),
        31 => return request::any(choice).join(&b' ').into_iter().chain(*b"\r\n").collect(),
        _ => request::any(choice),
    });
    if kind >= 32 {
        let at = choice.below(whole.len());
        match kind {
            32 | 33 => whole.truncate(at),
            34 | 35 => whole[at] = choice.byte(),
            36 => whole[at] ^= 1 << choice.below(8),
            37 => drop(whole.remove(at)),
            38 => whole.insert(at, choice.of(b"\r\n*$0-9 ")),
            _ => drop(whole.splice(at..at, choice.raw())),
        }
    }
    whole
}

/// Heads of requests that say more than comes, or what cannot be.
const HEADS: &[&[u8]] = &[
    b"*2\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$70000\r\n",
    b"*2\r\n$3\r\nGET\r\n$1048577\r\n",
    b"*1048577\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"$-1\r\n",
    b"*1\r\n$-5\r\n",
    b"*2147483648\r\n",
    b"\r\n",
    b"GET \"a\r\n",
    b"SET a \"\\x00\\xff\"\r\n",
    b"POST / HTTP/1.1\r\n",
    b"Host: a\r\n",
];

fn configure(choice: &mut Choice<'_>) -> Vec<u8> {
    let threads: [&[u8]; 2] = [b"VIREO-CONFIG SET io-threads 1\r\n", b"VIREO-CONFIG SET io-threads 3\r\n"];
    if choice.one_in(4) {
        return choice.of(&threads).to_vec();
    }
    let mut words = request::setting(choice);
    words[0] = b"VIREO-CONFIG".to_vec();
    // With so little room for clients, the watcher would have none.
    if words[2].starts_with(b"maxmemory-clients") { Vec::new() } else { request::encode(&words) }
}

/// Changes a letter of the word that nobody says, also where it comes in parts.
fn keep_quiet(bytes: &mut [u8], said: &mut Vec<u8>) {
    for byte in bytes {
        said.push(byte.to_ascii_lowercase());
        if said.ends_with(UNSAID) {
            *byte = b'x';
            said.clear();
        }
    }
    let keep = said.len().saturating_sub(UNSAID.len());
    said.drain(..keep);
}

fn faults_of(bits: u8, more: u8) -> Faults {
    let on = |bit: u32| bits >> bit & 1 == 1;
    Faults {
        splits: on(0),
        small_buffers: on(1),
        late_events: on(2),
        few_events: on(3),
        strict_edges: on(4),
        interruptions: on(5),
        spurious_wakes: on(6),
        no_cpu_times: on(7),
        stalls: more & 1 == 1,
        order: if more & 2 == 2 { Order::Priorities } else { Order::Random },
        switch_one_in: [2, 8, 40, 200][usize::from(more >> 2 & 3)],
        ..Faults::NONE
    }
}
