//! The tests that run without a command of one's own: the reference's, in its order, by its names and titles.

use crate::mix::Mix;
use crate::options::Content;
use crate::template::{Data, Template};
use crate::workload::{Kind, Workload};

/// One test and, for some, what must be sent once before it.
#[derive(Debug)]
pub(crate) struct Test {
    pub workload: Workload,
    pub before: Option<Template>,
}

/// What requests are made of.
struct Ingredients<'a> {
    content: &'a Content,
    /// Placeholders are replaced.
    numbers: bool,
    value: Vec<u8>,
}

type Words = Vec<Vec<u8>>;

/// A test's names for `-t`, its title, its request.
#[derive(Debug)]
pub(crate) struct Entry {
    names: &'static [&'static str],
    title: &'static str,
    request: fn(&Ingredients<'_>) -> Words,
}

const fn entry(
    names: &'static [&'static str],
    title: &'static str,
    request: fn(&Ingredients<'_>) -> Words,
) -> Entry {
    Entry { names, title, request }
}

/// Names of the tests of LRANGE, all of which need a list.
const LRANGES: [&str; 5] = ["lrange", "lrange_100", "lrange_300", "lrange_500", "lrange_600"];

/// The first name is the one that `--mix` knows; a test without it is no kind of a mix.
//= valkey 9.1 benchmark: the tests, their names and their order
static ENTRIES: [Entry; 24] = [
    entry(&["ping_inline", "ping"], "PING_INLINE", |_| Words::new()),
    entry(&["ping_mbulk", "ping"], "PING_MBULK", |_| words("PING")),
    entry(&["set"], "SET", |from| with("SET key:__rand_int__", &from.value)),
    entry(&["get"], "GET", |_| words("GET key:__rand_int__")),
    entry(&["incr"], "INCR", |_| words("INCR counter:__rand_int__")),
    entry(&["lpush"], "LPUSH", |from| with("LPUSH mylist", &from.value)),
    entry(&["rpush"], "RPUSH", |from| with("RPUSH mylist", &from.value)),
    entry(&["lpop"], "LPOP", |_| words("LPOP mylist")),
    entry(&["rpop"], "RPOP", |_| words("RPOP mylist")),
    entry(&["sadd"], "SADD", |_| words("SADD myset element:__rand_int__")),
    entry(&["hset"], "HSET", |from| with("HSET myhash element:__rand_int__", &from.value)),
    entry(&["spop"], "SPOP", |_| words("SPOP myset")),
    entry(&["zadd"], "ZADD", zadd),
    entry(&["zpopmin"], "ZPOPMIN", |_| words("ZPOPMIN myzset")),
    entry(&LRANGES, "LPUSH (needed to benchmark LRANGE)", |from| with("LPUSH mylist", &from.value)),
    entry(&["lrange_100", "lrange"], "LRANGE_100 (first 100 elements)", |_| words("LRANGE mylist 0 99")),
    entry(&["lrange_300", "lrange"], "LRANGE_300 (first 300 elements)", |_| words("LRANGE mylist 0 299")),
    entry(&["lrange_500", "lrange"], "LRANGE_500 (first 500 elements)", |_| words("LRANGE mylist 0 499")),
    entry(&["lrange_600", "lrange"], "LRANGE_600 (first 600 elements)", |_| words("LRANGE mylist 0 599")),
    entry(&["mset"], "MSET (10 keys)", |from| ten("MSET", Some(&from.value))),
    entry(&["mget"], "MGET (10 keys)", |_| ten("MGET", None)),
    entry(&["xadd"], "XADD", |from| with("XADD mystream * myfield", &from.value)),
    entry(&["function_load"], FUNCTION_LOAD, |from| load_functions(from.content.functions, false)),
    entry(&["fcall"], FCALL, fcall),
];
/// Titles that are asked after.
const FUNCTION_LOAD: &str = "FUNCTION LOAD";
const FCALL: &str = "FCALL";

fn words(text: &str) -> Words {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn with(text: &str, value: &[u8]) -> Words {
    let mut all = words(text);
    all.push(value.to_vec());
    all
}

//= valkey 9.1 benchmark: scores are numbers only with -r; the members' are numbers of their own
fn zadd(from: &Ingredients<'_>) -> Words {
    words(&format!("ZADD myzset {} element:__rand_1st__", if from.numbers { "__rand_int__" } else { "0" }))
}

/// Ten keys, each with a value or without.
fn ten(command: &str, value: Option<&[u8]>) -> Words {
    let mut all = words(command);
    for _ in 0..10 {
        all.push(b"key:__rand_int__".to_vec());
        all.extend(value.map(<[u8]>::to_vec));
    }
    all
}

/// A library of functions; with keys, as FCALL calls them.
fn load_functions(count: u32, with_keys: bool) -> Words {
    // Arrays of the language begin at 1, so that the reference's function, too, returns nothing.
    let (parameters, result) = if with_keys { ("keys, args", "keys[0]") } else { ("", "0") };
    let mut library = "#!lua name=benchlib\n".to_owned();
    for number in (1..=count).rev() {
        library += &format!(
            "local function foo{number}({parameters}) return {result} end\nserver.register_function('foo{number}', foo{number})\n"
        );
    }
    with("FUNCTION LOAD REPLACE", library.as_bytes())
}

fn fcall(from: &Ingredients<'_>) -> Words {
    let keys = from.content.fcall_keys;
    let mut all = words(&format!("FCALL foo1 {keys}"));
    all.extend((1..=keys).map(|number| format!("key{number}").into_bytes()));
    all
}

impl Entry {
    fn template(&self, from: &Ingredients<'_>) -> Template {
        let words = (self.request)(from);
        //= valkey 9.1 benchmark: PING_INLINE is no array
        if words.is_empty() { Template::new(b"PING\r\n".to_vec(), 1) } else { Template::command(&words) }
    }

    /// The test; it may be large, so that each is made when it is its turn.
    pub(crate) fn test(&self, content: &Content, numbers: bool) -> Test {
        let from = Ingredients { content, numbers, value: Data::new(content.data_len).value() };
        let workload = Workload::of_one(self.title, content.data_len, self.template(&from));
        let before =
            (self.title == FCALL).then(|| Template::command(&load_functions(1, content.fcall_keys > 0)));
        Test { workload, before }
    }

    fn is_selected(&self, tests: Option<&[String]>) -> bool {
        tests.is_none_or(|tests| tests.iter().any(|name| self.names.contains(&name.as_str())))
    }

    /// May be a part of a mix.
    fn is_kind(&self) -> bool {
        self.names != LRANGES && self.title != FUNCTION_LOAD && self.title != FCALL
    }
}

/// The tests that are asked for, and names that are none's.
pub(crate) fn selected(asked: Option<&[String]>) -> (Vec<&'static Entry>, Vec<String>) {
    let tests = ENTRIES.iter().filter(|entry| entry.is_selected(asked));
    let unknown = |name: &&String| !ENTRIES.iter().any(|entry| entry.names.contains(&name.as_str()));
    (tests.collect(), asked.unwrap_or(&[]).iter().filter(unknown).cloned().collect())
}

/// One test of several kinds.
///
/// # Errors
/// Words for the user.
pub(crate) fn mixed(mix: &Mix, content: &Content, numbers: bool) -> Result<Workload, String> {
    let from = Ingredients { content, numbers, value: Data::new(content.data_len).value() };
    let kinds = mix.parts.iter().map(|(name, weight)| {
        let entry =
            ENTRIES.iter().find(|entry| entry.is_kind() && entry.names.first() == Some(&name.as_str()));
        let entry = entry.ok_or_else(|| {
            let known =
                ENTRIES.iter().filter(|entry| entry.is_kind()).filter_map(|entry| entry.names.first());
            let known: Vec<&str> = known.copied().collect();
            format!("Option --mix knows no test \"{name}\": there are {}.", known.join(", "))
        })?;
        Ok(Kind { name: name.clone(), template: entry.template(&from), weight: *weight })
    });
    let kinds = kinds.collect::<Result<_, String>>()?;
    Ok(Workload { title: format!("MIX {}", mix.text), payload_len: content.data_len, kinds })
}

#[cfg(test)]
mod tests {
    use super::{mixed, selected};
    use crate::mix::Mix;
    use crate::options::Content;

    fn content(names: Option<&str>) -> Content {
        let tests = names.map(|names| names.split(',').map(str::to_owned).collect());
        Content { tests, data_len: 3, functions: 2, fcall_keys: 2, ..Content::default() }
    }

    fn titles(names: Option<&str>) -> Vec<String> {
        let content = content(names);
        let tests = selected(content.tests.as_deref()).0;
        tests.iter().map(|entry| entry.test(&content, true).workload.title).collect()
    }

    //= valkey 9.1 benchmark: the tests, their names and their order
    #[test]
    fn all_tests_in_order() {
        let all = "PING_INLINE,PING_MBULK,SET,GET,INCR,LPUSH,RPUSH,LPOP,RPOP,SADD,HSET,SPOP,ZADD,ZPOPMIN,\
            LPUSH (needed to benchmark LRANGE),LRANGE_100 (first 100 elements),LRANGE_300 (first 300 elements),\
            LRANGE_500 (first 500 elements),LRANGE_600 (first 600 elements),MSET (10 keys),MGET (10 keys),XADD,\
            FUNCTION LOAD,FCALL";
        assert_eq!(titles(None).join(","), all);
        assert_eq!(titles(Some("ping")), ["PING_INLINE", "PING_MBULK"]);
        let list = ["LPUSH (needed to benchmark LRANGE)", "LRANGE_300 (first 300 elements)"];
        assert_eq!(titles(Some("lrange_300")), list);
        assert_eq!(titles(Some("lrange")).len(), 5);
        assert_eq!(selected(content(Some("get,nosuch")).tests.as_deref()).1, ["nosuch"]);
    }

    #[test]
    fn requests_as_the_reference_sends_them() {
        let test = |name: &str, numbers| {
            let content = content(Some(name));
            selected(content.tests.as_deref()).0[0].test(&content, numbers)
        };
        let request = |name: &str, numbers| {
            let test = test(name, numbers);
            let bytes = test.workload.kinds.into_iter().next().unwrap().template.bytes;
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(request("ping_inline", true), "PING\r\n");
        assert_eq!(request("get", true), "*2\r\n$3\r\nGET\r\n$16\r\nkey:__rand_int__\r\n");
        assert!(request("zadd", true).contains("$12\r\n__rand_int__\r\n$20\r\nelement:__rand_1st__"));
        assert!(request("zadd", false).contains("$1\r\n0\r\n"));
        assert!(request("mset", true).starts_with("*21\r\n"));
        assert!(request("function_load", true).matches("register_function").count() == 2);
        assert!(
            request("fcall", true)
                .starts_with("*5\r\n$5\r\nFCALL\r\n$4\r\nfoo1\r\n$1\r\n2\r\n$4\r\nkey1\r\n")
        );
        assert!(test("fcall", true).before.is_some());
    }

    #[test]
    fn mixes_of_tests() {
        let mix = mixed(&Mix::parse("get:80,set:20").unwrap(), &content(None), true).unwrap();
        assert_eq!(mix.title, "MIX get:80,set:20");
        assert_eq!(mix.kinds.iter().map(|kind| kind.weight).collect::<Vec<_>>(), [80, 20]);
        for bad in ["get,lrange", "fcall", "nosuch"] {
            let error = mixed(&Mix::parse(bad).unwrap(), &content(None), true).unwrap_err();
            assert!(error.contains("there are ping_inline, ping_mbulk, set, get"), "{error}");
        }
        // Its list's first element is a kind, what fills it is not.
        assert!(mixed(&Mix::parse("lrange_100").unwrap(), &content(None), true).is_ok());
    }
}
