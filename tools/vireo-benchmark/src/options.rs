//! What the command line asks for. The reference's options with their meaning, and ours beside them.
//!
//! Where the reference takes whatever number a text begins with, a text that is no number is refused here; so is every
//! option of the reference that is not there yet.

use crate::mix::Mix;

/// Longest value of `-d`.
const DATA_BYTES_MAX: u64 = 1 << 30;
/// Most threads.
const THREADS_MAX: u64 = 500;
/// Most connections.
const CLIENTS_MAX: u64 = 1 << 20;
/// Most commands of a pipeline.
const PIPELINE_MAX: u64 = 1 << 20;
/// Highest rate: beyond it, the schedule's steps are smaller than the clock's.
const RATE_MAX: u64 = 1_000_000_000;
/// Longest time of any option, in seconds.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;
/// Keys have twelve digits.
pub(crate) const KEYS_MAX: u64 = 1_000_000_000_000;
/// Largest exponent of Zipf's law: beyond it, it is the first key nearly always.
const ZIPF_MAX: f64 = 10.0;
/// Most functions of the library that FUNCTION LOAD is measured with, and most keys of FCALL.
const FUNCTIONS_MAX: u64 = 100_000;

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Host and port.
    Tcp(String, u16),
    /// Path of a unix socket.
    Unix(String),
}

/// As the reference names it in its messages.
impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{path}"),
        }
    }
}

/// What every connection says first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// `--user`
    pub user: Option<Vec<u8>>,
    /// `-a`
    pub password: Option<Vec<u8>>,
    /// `--dbnum`; 0 is not said.
    pub db: u32,
    /// `-3`
    pub resp3: bool,
    /// `--enable-tracking`
    pub tracking: bool,
}

/// When a test ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Amount {
    /// After so many requests.
    Requests(u64),
    /// After so many seconds.
    Seconds(f64),
}

/// How much is sent, and when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Load {
    /// Connections.
    pub clients: usize,
    /// `--threads`; 0 is one thread that the report does not speak of.
    pub threads: usize,
    /// Sequences of commands that are sent at once.
    pub pipeline: usize,
    /// The end.
    pub amount: Amount,
    /// Seconds before it begins to count.
    pub warmup_s: f64,
    /// Requests per second by a schedule; as fast as replies come without it.
    pub rate: Option<u64>,
    /// Connections are kept.
    pub keep_alive: bool,
}

/// Which numbers stand in the keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    /// All alike.
    Uniform,
    /// One after the other.
    Sequential,
    /// By Zipf's law with this exponent: 0 first.
    Zipf(f64),
}

/// Numbers for placeholders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Keys {
    /// Numbers below this one; without it, placeholders stay as they are.
    pub range: Option<u64>,
    /// Their order.
    pub order: Order,
    /// Repeats a run's numbers.
    pub seed: Option<u64>,
}

/// What is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    /// `-t`, lower case.
    pub tests: Option<Vec<String>>,
    /// `--mix`
    pub mix: Option<Mix>,
    /// The rest of the command line.
    pub command: Vec<Vec<u8>>,
    /// `-x`: its last word comes from standard input.
    pub last_from_stdin: bool,
    /// `-d`
    pub data_len: usize,
    /// `--num-functions`
    pub functions: u32,
    /// `--num-keys-in-fcall`
    pub fcall_keys: u32,
}

/// Which text is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// All of it.
    Full,
    /// A line for each test.
    Quiet,
    /// A comma separated line for each test.
    Csv,
}

/// What is printed and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// Standard output.
    pub style: Style,
    /// Significant digits of latencies.
    pub digits: u8,
    /// `--json`
    pub json: Option<String>,
    /// `--chart`
    pub chart: Option<String>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub place: Place,
    pub session: Session,
    pub load: Load,
    pub keys: Keys,
    pub content: Content,
    pub output: Output,
    /// `-I`
    pub idle: bool,
    /// `-l`
    pub forever: bool,
    /// What is to be told before anything is done.
    pub warnings: Vec<String>,
}

/// What the command line says.
#[derive(Debug, PartialEq)]
pub(crate) enum Asked {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// To run.
    Run(Box<Options>),
}

/// Why it does not run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// An option that is not known or lacks its value: the help follows.
    Option(String),
    /// Anything else, in words.
    Because(String),
}

fn because(text: impl Into<String>) -> Refused {
    Refused::Because(text.into())
}

impl Default for Options {
    //= valkey 9.1 benchmark: 50 clients, 100000 requests, 3 bytes, 3 significant digits
    fn default() -> Self {
        Self {
            place: Place::Tcp("127.0.0.1".to_owned(), 6379),
            session: Session::default(),
            load: Load {
                clients: 50,
                threads: 0,
                pipeline: 1,
                amount: Amount::Requests(100_000),
                warmup_s: 0.0,
                rate: None,
                keep_alive: true,
            },
            keys: Keys { range: None, order: Order::Uniform, seed: None },
            content: Content { data_len: 3, functions: 10, fcall_keys: 1, ..Content::default() },
            output: Output { style: Style::Full, digits: 3, json: None, chart: None },
            idle: false,
            forever: false,
            warnings: Vec::new(),
        }
    }
}

/// Options of the reference that this program does not have; each is refused with the reason.
const MISSING: [(&str, &str); 16] = [
    ("--cluster", "Cluster mode"),
    ("--rfr", "Cluster mode"),
    ("--tls", "TLS"),
    ("--sni", "TLS"),
    ("--cacert", "TLS"),
    ("--cacertdir", "TLS"),
    ("--insecure", "TLS"),
    ("--cert", "TLS"),
    ("--key", "TLS"),
    ("--tls-ciphers", "TLS"),
    ("--tls-ciphersuites", "TLS"),
    ("--rdma", "RDMA"),
    ("--mptcp", "Multipath TCP"),
    ("--fuzz", "Fuzzing"),
    ("--fuzz-mode", "Fuzzing"),
    ("--fuzz-loglevel", "Fuzzing"),
];

/// Reads the command line, without the program's name.
///
/// # Errors
/// [`Refused`], when it cannot be done as asked.
pub(crate) fn parse(arguments: &[Vec<u8>]) -> Result<Asked, Refused> {
    let mut reading = Reading { arguments, at: 0, options: Options::default(), given: Given::default() };
    while let Some(argument) = reading.arguments.get(reading.at) {
        reading.at += 1;
        match argument.as_slice() {
            b"--help" => return Ok(Asked::Help),
            b"-v" | b"--version" => return Ok(Asked::Version),
            b"--" => break,
            word if word.first() != Some(&b'-') => {
                reading.at -= 1;
                break;
            }
            word => reading.option(&String::from_utf8_lossy(word))?,
        }
    }
    reading.finish().map(|options| Asked::Run(Box::new(options)))
}

/// Options that exclude or need others.
#[derive(Default)]
struct Given {
    requests: bool,
    duration: bool,
    sequential: bool,
    zipf: Option<f64>,
}

/// The command line, read up to a place.
struct Reading<'a> {
    arguments: &'a [Vec<u8>],
    at: usize,
    options: Options,
    given: Given,
}

impl Reading<'_> {
    fn option(&mut self, name: &str) -> Result<(), Refused> {
        if let Some((_, what)) = MISSING.iter().find(|(missing, _)| *missing == name) {
            return Err(because(format!(
                "{what} is not supported by this version of vireo-benchmark ({name})"
            )));
        }
        let known = self.flag(name)
            || self.place(name)?
            || self.load(name)?
            || self.content(name)?
            || self.output(name)?;
        if known { Ok(()) } else { Err(Refused::Option(name.to_owned())) }
    }

    /// Options without a value.
    fn flag(&mut self, name: &str) -> bool {
        let options = &mut self.options;
        match name {
            "-3" => options.session.resp3 = true,
            "--enable-tracking" => options.session.tracking = true,
            "--sequential" => self.given.sequential = true,
            "-q" => self.options.output.style = quieter(options.output.style, Style::Quiet),
            "--csv" => self.options.output.style = quieter(options.output.style, Style::Csv),
            "-l" => options.forever = true,
            "-I" => options.idle = true,
            "-x" => options.content.last_from_stdin = true,
            "-e" => options.warnings.push(
                "WARNING: -e option has no effect. We now immediately exit on error to avoid false results."
                    .to_owned(),
            ),
            _ => return false,
        }
        true
    }

    /// Where the server is and who we are.
    fn place(&mut self, name: &str) -> Result<bool, Refused> {
        match name {
            "-h" => {
                let host = self.text(name)?;
                let port = self.port();
                self.options.place = Place::Tcp(host, port);
            }
            "-p" => {
                let port = self.value(name)?;
                let port = parse_number(&port).and_then(|port| u16::try_from(port).ok());
                let port = port.ok_or_else(|| because("Invalid server port."))?;
                if let Place::Tcp(_, old) = &mut self.options.place {
                    *old = port;
                }
            }
            "-s" => self.options.place = Place::Unix(self.text(name)?),
            "-a" => self.options.session.password = Some(self.value(name)?.to_vec()),
            "--user" => self.options.session.user = Some(self.value(name)?.to_vec()),
            "-u" => {
                let uri = self.text(name)?;
                crate::uri::apply(&uri, &mut self.options.place, &mut self.options.session)
                    .map_err(because)?;
            }
            "--dbnum" => {
                self.options.session.db = u32::try_from(self.number(name, 0, i32::MAX as u64)?).unwrap_or(0);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn port(&self) -> u16 {
        match self.options.place {
            Place::Tcp(_, port) => port,
            Place::Unix(_) => 6379,
        }
    }

    /// How much, and when.
    fn load(&mut self, name: &str) -> Result<bool, Refused> {
        match name {
            "-c" => self.options.load.clients = self.size(name, 1, CLIENTS_MAX)?,
            "--threads" => self.options.load.threads = self.threads(name)?,
            "-P" => self.options.load.pipeline = self.size(name, 0, PIPELINE_MAX)?.max(1),
            "-n" => {
                self.options.load.amount = Amount::Requests(self.number(name, 1, i64::MAX as u64)?);
                self.given.requests = true;
            }
            "--duration" => {
                self.options.load.amount = Amount::Seconds(self.decimal(name, 0.001, SECONDS_MAX)?);
                self.given.duration = true;
            }
            "--warmup" => self.options.load.warmup_s = self.decimal(name, 0.0, SECONDS_MAX)?,
            //= valkey 9.1 benchmark: a rate of 0 is no limit
            "--rps" => {
                let rate = self.number(name, 0, RATE_MAX)?;
                self.options.load.rate = (rate > 0).then_some(rate);
            }
            "-k" => self.options.load.keep_alive = self.number(name, 0, i32::MAX as u64)? != 0,
            "-r" => self.options.keys.range = Some(self.number(name, 0, KEYS_MAX)?),
            "--zipf" => self.given.zipf = Some(self.decimal(name, 0.0, ZIPF_MAX)?),
            "--seed" => self.options.keys.seed = Some(self.number(name, 0, u64::MAX)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is sent.
    fn content(&mut self, name: &str) -> Result<bool, Refused> {
        match name {
            "-t" => {
                let names = self.text(name)?.to_ascii_lowercase();
                let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
                self.options.content.tests = Some(names.map(str::to_owned).collect());
            }
            "--mix" => self.options.content.mix = Some(Mix::parse(&self.text(name)?).map_err(because)?),
            "-d" => {
                let len = self.number(name, 0, u64::MAX)?.clamp(1, DATA_BYTES_MAX);
                self.options.content.data_len = usize::try_from(len).unwrap_or(1);
            }
            "--num-functions" => self.options.content.functions = self.small(name)?,
            "--num-keys-in-fcall" => self.options.content.fcall_keys = self.small(name)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is told.
    fn output(&mut self, name: &str) -> Result<bool, Refused> {
        match name {
            "--precision" => {
                self.options.output.digits =
                    u8::try_from(self.number(name, 0, 100)?.clamp(1, 4)).unwrap_or(3);
            }
            "--json" => self.options.output.json = Some(self.text(name)?),
            "--chart" => self.options.output.chart = Some(self.text(name)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What several options say together.
    fn finish(mut self) -> Result<Options, Refused> {
        let options = &mut self.options;
        if self.given.requests && self.given.duration {
            return Err(because("Options -n and --duration are mutually exclusive."));
        }
        if self.given.sequential && self.given.zipf.is_some() {
            return Err(because("Options --sequential and --zipf are mutually exclusive."));
        }
        if let Some(exponent) = self.given.zipf {
            if options.keys.range.is_none_or(|range| range == 0) {
                return Err(because("Option --zipf needs a range of keys: -r <keyspacelen>."));
            }
            options.keys.order = Order::Zipf(exponent);
        } else if self.given.sequential {
            options.keys.order = Order::Sequential;
        }
        if options.session.user.is_some() && options.session.password.is_none() {
            return Err(because("Option --user needs a password: -a <password>."));
        }
        options.content.command = self.arguments.get(self.at..).unwrap_or(&[]).to_vec();
        let content = &options.content;
        if content.mix.is_some() && (content.tests.is_some() || !content.command.is_empty()) {
            return Err(because("Option --mix excludes -t and a command of one's own."));
        }
        if content.last_from_stdin && content.command.is_empty() {
            return Err(because("Option -x needs a command, whose last argument it reads."));
        }
        if content.tests.is_some() && !content.command.is_empty() {
            options.warnings.push("WARNING: Option -t is ignored.".to_owned());
        }
        Ok(self.options)
    }

    /// The value behind an option.
    fn value(&mut self, name: &str) -> Result<Vec<u8>, Refused> {
        let value = self.arguments.get(self.at).ok_or_else(|| Refused::Option(name.to_owned()))?;
        self.at += 1;
        Ok(value.clone())
    }

    fn text(&mut self, name: &str) -> Result<String, Refused> {
        let value = self.value(name)?;
        String::from_utf8(value)
            .map_err(|_| because(format!("The value of option {name} is not valid text.")))
    }

    fn number(&mut self, name: &str, least: u64, most: u64) -> Result<u64, Refused> {
        let value = self.value(name)?;
        parse_number(&value).filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            let value = String::from_utf8_lossy(&value);
            because(format!(
                "Invalid value \"{value}\" of option {name}: a number from {least} to {most} is needed."
            ))
        })
    }

    fn size(&mut self, name: &str, least: u64, most: u64) -> Result<usize, Refused> {
        Ok(usize::try_from(self.number(name, least, most)?).unwrap_or(usize::MAX))
    }

    fn small(&mut self, name: &str) -> Result<u32, Refused> {
        Ok(u32::try_from(self.number(name, 0, FUNCTIONS_MAX)?).unwrap_or(0))
    }

    //= valkey 9.1 benchmark: too many threads are a warning
    fn threads(&mut self, name: &str) -> Result<usize, Refused> {
        let asked = self.number(name, 0, u64::MAX)?;
        if asked > THREADS_MAX {
            let warning = format!("WARNING: Too many threads, limiting threads to {THREADS_MAX}.");
            self.options.warnings.push(warning);
        }
        Ok(usize::try_from(asked.min(THREADS_MAX)).unwrap_or(0))
    }

    fn decimal(&mut self, name: &str, least: f64, most: f64) -> Result<f64, Refused> {
        let value = self.value(name)?;
        let number = core::str::from_utf8(&value).ok().and_then(|text| text.parse::<f64>().ok());
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            let value = String::from_utf8_lossy(&value);
            because(format!(
                "Invalid value \"{value}\" of option {name}: a number from {least} to {most} is needed."
            ))
        })
    }
}

//= valkey 9.1 benchmark: --csv wins over -q
fn quieter(old: Style, new: Style) -> Style {
    if old == Style::Csv { old } else { new }
}

fn parse_number(value: &[u8]) -> Option<u64> {
    core::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
#[path = "options_test.rs"]
mod tests;
