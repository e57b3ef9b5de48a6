//! Who has the configuration file written anew, and looks at any moment at what would be left of it if power were lost then.

use vireo_backend_sim::{Actor, Contents, DISK_SLOW_MAX_NS, Dice, Line, SECOND_NS, Scene, Told};
use vireo_core::config::{Config, split_words};

use crate::book::Shelf;
use crate::client::PATIENCE_NS;
use crate::value::{Value, words};
use crate::wire::{News, Wire};

/// The file that the server is started with.
pub(crate) const CONFIG_FILE: &str = "/conf/vireo.conf";
/// The directive that tells which writing of it this is.
const MARK: &str = "commandlog-slow-execution-max-len";
/// Comments, so that the file takes many sectors of the disk.
const COMMENTS: usize = 60;
/// Calls of the disk for one writing; short writes make them more.
const CALLS: u64 = 20;

const NEXT: u64 = 1;
const LOOK: u64 = 2;
/// Above it: the replies to so many requests must be there.
const PATIENCE: u64 = 16;

fn comment(number: usize) -> String {
    format!("# {number}:{}", " what somebody wrote here must stay".repeat(number % 4))
}

/// The disk as the server finds it.
pub(crate) fn disk() -> Contents {
    let comments: String = (0..COMMENTS).map(|number| comment(number) + "\n").collect();
    Contents::from([(CONFIG_FILE.into(), format!("{comments}{MARK} 0\n").into_bytes())])
}

/// The keeper of the configuration.
#[derive(Debug)]
pub(crate) struct Keeper {
    dice: Dice,
    shelf: Shelf,
    wire: Wire,
    /// The last mark that was asked to be written, and the last whose writing was said to be done.
    asked: u64,
    kept: u64,
    answered: u64,
    done: bool,
}

impl Keeper {
    pub(crate) fn new(seed: u64, shelf: Shelf) -> Self {
        let dice = Dice::new(seed, 7);
        Self { dice, shelf, wire: Wire::default(), asked: 0, kept: 0, answered: 0, done: false }
    }

    fn begin(&mut self, scene: &mut Scene<'_>) {
        self.wire.open(Line::Perfect, scene);
        self.wire.send(&words("CLIENT SETNAME checker"), scene);
        scene.wake_in(self.dice.between(1, SECOND_NS / 50), LOOK);
    }

    fn write(&mut self, scene: &mut Scene<'_>) {
        if self.shelf.book().busy() == 0 {
            self.finish(scene);
            return;
        }
        self.asked += 1;
        if scene.faults().slow_disk {
            self.shelf.book().paused_ns += CALLS * DISK_SLOW_MAX_NS;
        }
        self.wire.send(&words(&format!("CONFIG SET {MARK} {}", self.asked)), scene);
        self.wire.send(&words("CONFIG REWRITE"), scene);
        scene.wake_in(PATIENCE_NS, PATIENCE + self.asked);
    }

    fn finish(&mut self, scene: &mut Scene<'_>) {
        self.done = true;
        let disk = scene.disk();
        if !disk.keys().eq([CONFIG_FILE.as_bytes()]) {
            scene.fail(format!("{} files are left", disk.len()));
        }
        self.check(&disk, scene);
        self.wire.close(scene);
    }

    fn receive(&mut self, reply: &Value, scene: &mut Scene<'_>) {
        self.answered += 1;
        // The first reply is to CLIENT SETNAME, then each writing has two.
        let is_written = self.answered > 1 && self.answered % 2 == 1;
        match reply {
            // The disk has failed, which is told; the file is of this writing or an earlier one.
            Value::Error(words)
                if is_written
                    && scene.faults().disk_errors
                    && words.starts_with("ERR Rewriting config file: simulated error") => {}
            Value::Error(words) => scene.fail(format!("the keeper is told {words}")),
            _ if is_written => self.kept = self.asked,
            _ => {}
        }
        if self.answered == 1 || is_written {
            scene.wake_in(self.dice.below(SECOND_NS / 5), NEXT);
        }
    }

    /// Power could be lost now.
    fn look(&mut self, scene: &mut Scene<'_>) {
        if self.done {
            return;
        }
        let disk = scene.disk_after_power_loss();
        self.check(&disk, scene);
        self.shelf.book().figures.power_losses += 1;
        let soon_ns = if scene.faults().slow_disk { DISK_SLOW_MAX_NS } else { SECOND_NS / 500 };
        let most_ns = [soon_ns / 20, soon_ns, SECOND_NS / 5][self.dice.index(3)];
        scene.wake_in(self.dice.between(1, most_ns), LOOK);
    }

    /// The file is whole, and as old at most as what was said to be written.
    fn check(&self, disk: &Contents, scene: &mut Scene<'_>) {
        let Some(text) = disk.get(CONFIG_FILE.as_bytes()) else {
            scene.fail("the configuration file is gone".to_owned());
            return;
        };
        let mark = match read(text) {
            Ok(mark) => mark,
            Err(why) => return scene.fail(format!("{why}, in the file\n{}", text.escape_ascii())),
        };
        if !(self.kept..=self.asked).contains(&mark) {
            scene.fail(format!("the file is of writing {mark}, {} was done", self.kept));
        }
    }
}

/// Reads a file as the server would. Returns its mark.
fn read(text: &[u8]) -> Result<u64, String> {
    let lines: Vec<&[u8]> =
        text.strip_suffix(b"\n").ok_or("no last line")?.split(|&byte| byte == b'\n').collect();
    let mut comments = lines.iter();
    for number in 0..COMMENTS {
        let comment = comment(number);
        if !comments.any(|line| *line == comment.as_bytes()) {
            return Err(format!("comment {number} is missing"));
        }
    }
    let mut config = Config::new();
    for line in lines.iter().filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
        let words = split_words(line).ok_or("unbalanced quotes")?;
        config.set_line(&words).map_err(|error| error.reason().to_owned())?;
    }
    config.text(MARK).parse().map_err(|_| "no mark".to_owned())
}

impl Actor for Keeper {
    fn on(&mut self, told: Told<'_>, scene: &mut Scene<'_>) {
        match self.wire.news(told, scene) {
            News::Time(0) => self.begin(scene),
            News::Time(NEXT) => self.write(scene),
            News::Time(LOOK) => self.look(scene),
            News::Time(tag) => {
                if self.answered < 1 + 2 * (tag - PATIENCE) {
                    scene.fail("the keeper waits for a reply that does not come".to_owned());
                }
            }
            News::Replies(replies) => replies.iter().for_each(|reply| self.receive(reply, scene)),
            News::Gone => scene.fail("the keeper was closed".to_owned()),
            News::Connected | News::Nothing => {}
        }
    }
}
