//! What `--help` and `--version` print.

/// The line of `--version`.
pub(crate) const VERSION: &str =
    concat!("vireo-benchmark ", env!("CARGO_PKG_VERSION"), " (options of valkey-benchmark 9.1.2)");

/// The help.
pub(crate) const USAGE: &str = "\
Usage: vireo-benchmark [OPTIONS] [--] [COMMAND ARGS...]

Sends requests over many connections and tells how many were answered per second, and how long
each took. Without a command it runs a series of tests; -t and --mix choose among them.

Several commands are separated by ';' and sent one after the other; a number N before a command
repeats it N times:  vireo-benchmark -- MULTI ';' 3 INCR counter ';' EXEC
In arguments, with -r, these are replaced by numbers of twelve digits:
 __rand_int__       another number each time
 __rand_1st__ .. __rand_9th__
                    the same number at all places of one sequence
and, at any time,
 __data__           by a value as long as -d says

The server
 -h <host>          its name or address (127.0.0.1)
 -p <port>          its port (6379)
 -s <path>          its unix socket, instead of host and port
 -u <uri>           valkey://user:password@host:port/dbnum, all of it optional
 -a <password>      sent by AUTH
 --user <name>      sent by AUTH, with -a
 --dbnum <number>   database (0)
 -3                 RESP3
 --enable-tracking  CLIENT TRACKING on

How much, and when
 -c <clients>       connections (50)
 -n <requests>      requests of each test (100000)
 --duration <s>     seconds of each test, instead of -n
 --warmup <s>       seconds before it begins to count
 -P <count>         requests (sequences of commands) that are sent at once (1)
 --threads <count>  threads of this program (one)
 -k <0|1>           0: a new connection for each batch; its latency includes connecting
 --rps <rate>       requests per second by a fixed schedule; latency counts from the moment at which a
                    request was due, whether a connection was free then or not. Without it, a
                    connection sends its next request when the last reply has come.
 -l                 begin again for ever
 -I                 open the connections and wait

What is sent
 -t <names>         tests, separated by commas; names as in the report, lower case
 --mix <kinds>      one test of several kinds and their weights: get:80,set:20
 -d <bytes>         length of values (3)
 -r <keys>          numbers in keys, members and scores: random ones below this one. Without it, each
                    test uses one key.
 --sequential       numbers one after the other
 --zipf <s>         numbers by Zipf's law: number k as often as 1/(k+1)^s
 --seed <number>    the same random numbers again
 -x                 the command's last argument is read from standard input
 --num-functions <count>
                    functions of the library of the test function_load (10)
 --num-keys-in-fcall <count>
                    keys of the test fcall (1)

What is told
 -q                 one line for each test
 --csv              one comma separated line for each test
 --precision <n>    significant digits of latencies, 1 to 4 (3)
 --json <file>      all results, for programs
 --chart <file>     latencies by percentile, as an SVG picture
 --help             this text
 -v, --version      the version

Not there yet, and refused: --cluster, --rfr, TLS, --rdma, --mptcp, --fuzz.

Examples
 80 % GET, 20 % SET, skewed keys, 50000 requests a second for a minute, and the tail as a picture:
   $ vireo-benchmark --mix get:80,set:20 -r 1000000 --zipf 0.99 --rps 50000 --warmup 5 \\
                     --duration 60 --chart latency.svg
 As fast as it goes, sixteen requests at once:
   $ vireo-benchmark -t set,get -P 16 -n 1000000 -q
";
