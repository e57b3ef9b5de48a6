//! How searches are asked for.

use alloc::vec::Vec;

use super::{position, unit};
use crate::engine::{Args, CmdError, CmdResult, Ctx};
use crate::num;
use crate::types::geo::{self, Position, Search, Unit};
use crate::types::zset::Zset;

/// A command that searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// GEORADIUS, and whether it may store.
    Radius { stores: bool },
    /// GEORADIUSBYMEMBER, and whether it may store.
    RadiusByMember { stores: bool },
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

/// In which order the result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Rising,
    Falling,
}

/// Where the result goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) key: &'a [u8],
    /// The scores are distances.
    pub(super) distances: bool,
}

/// A shape, without its centre.
#[derive(Clone, Debug)]
enum Shape {
    Circle { radius: f64, unit: Unit },
    Rectangle { width: f64, height: f64, unit: Unit },
    Polygon(Vec<Position>),
}

/// A request, read word by word.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command")]
pub(super) struct Options<'a> {
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_position: bool,
    pub(super) order: Option<Order>,
    /// How many at the most; 0: all.
    pub(super) count: usize,
    /// The first ones found will do.
    pub(super) any: bool,
    pub(super) target: Option<Target<'a>>,
    /// A member's place, or one that was named; `Some(None)` where there is no key to look in.
    centre: Option<Option<Position>>,
    from_member: bool,
    shape: Option<Shape>,
}

impl Command {
    fn is_search(self) -> bool {
        matches!(self, Self::Search | Self::SearchStore)
    }

    fn may_store(self) -> bool {
        matches!(self, Self::Radius { stores: true } | Self::RadiusByMember { stores: true })
    }

    /// Where the key is that is searched.
    pub(super) fn source_at(self) -> usize {
        if self == Self::SearchStore { 2 } else { 1 }
    }
}

impl<'a> Options<'a> {
    /// Reads a request on a key, which is known to hold places or not to be there.
    pub(super) fn parse(cx: &mut Ctx<'_>, args: &Args<'a>, command: Command) -> Result<Self, CmdError> {
        let mut options = Self {
            with_distance: false,
            with_hash: false,
            with_position: false,
            order: None,
            count: 0,
            any: false,
            target: None,
            centre: None,
            from_member: false,
            shape: None,
        };
        let mut index = options.parse_fixed(cx, args, command)?;
        while index < args.len() {
            let taken = match options.parse_common(args, index, command)? {
                0 if command.is_search() => options.parse_shape(cx, args, index, command)?,
                taken => taken,
            };
            if taken == 0 {
                return Err(CmdError::SYNTAX);
            }
            index += taken;
        }
        options.check(cx, args, command)?;
        Ok(options)
    }

    /// Reads what has its place; returns where the options begin.
    fn parse_fixed(
        &mut self,
        cx: &mut Ctx<'_>,
        args: &Args<'a>,
        command: Command,
    ) -> Result<usize, CmdError> {
        match command {
            Command::Radius { .. } => {
                self.centre = Some(Some(position(cx, args, 2)?));
                self.shape = Some(circle(args, 4)?);
                Ok(6)
            }
            Command::RadiusByMember { .. } => {
                let centre = member_position(cx, args, 1, 2)?;
                //= valkey 9.1 GEORADIUSBYMEMBER: without a key the radius is not read
                if centre.is_some() {
                    self.shape = Some(circle(args, 3)?);
                }
                self.centre = Some(centre);
                Ok(5)
            }
            Command::Search => Ok(2),
            Command::SearchStore => {
                self.target = Some(Target { key: args.at(1), distances: false });
                Ok(3)
            }
        }
    }

    /// Reads an option that all commands have; returns how many arguments it is, 0 when it is none.
    fn parse_common(&mut self, args: &Args<'a>, index: usize, command: Command) -> Result<usize, CmdError> {
        let next = args.get(index + 1);
        if args.is(index, "WITHDIST") {
            self.with_distance = true;
        } else if args.is(index, "WITHHASH") {
            self.with_hash = true;
        } else if args.is(index, "WITHCOORD") {
            self.with_position = true;
        } else if args.is(index, "ANY") {
            self.any = true;
        } else if args.is(index, "ASC") {
            self.order = Some(Order::Rising);
        } else if args.is(index, "DESC") {
            self.order = Some(Order::Falling);
        } else if let Some(count) = next.filter(|_| args.is(index, "COUNT")) {
            let count = num::parse_i64(count).ok_or(CmdError::NOT_INTEGER)?;
            if count <= 0 {
                return Err(CmdError::Text("ERR COUNT must be > 0"));
            }
            self.count = usize::try_from(count).unwrap_or(usize::MAX);
            return Ok(2);
        } else if command == Command::SearchStore && args.is(index, "STOREDIST") {
            self.target = Some(Target { key: args.at(1), distances: true });
        } else if let Some(key) = next.filter(|_| command.may_store()) {
            let distances = args.is(index, "STOREDIST");
            if !distances && !args.is(index, "STORE") {
                return Ok(0);
            }
            self.target = Some(Target { key, distances });
            return Ok(2);
        } else {
            return Ok(0);
        }
        Ok(1)
    }

    /// Reads an option of GEOSEARCH; returns how many arguments it is, 0 when it is none.
    fn parse_shape(
        &mut self,
        cx: &mut Ctx<'_>,
        args: &Args<'a>,
        index: usize,
        command: Command,
    ) -> Result<usize, CmdError> {
        let left = args.len() - index;
        let (is_polygon, is_circle, is_rectangle) = match self.shape {
            None => (false, false, false),
            Some(Shape::Polygon(_)) => (true, false, false),
            Some(Shape::Circle { .. }) => (false, true, false),
            Some(Shape::Rectangle { .. }) => (false, false, true),
        };
        let from_place = self.centre.is_some() && !self.from_member;
        if left >= 2 && args.is(index, "FROMMEMBER") && !from_place && !is_polygon {
            self.centre = Some(member_position(cx, args, command.source_at(), index + 1)?);
            self.from_member = true;
            return Ok(2);
        }
        if left >= 3 && args.is(index, "FROMLONLAT") && !self.from_member && !is_polygon {
            self.centre = Some(Some(position(cx, args, index + 1)?));
            return Ok(3);
        }
        if left >= 3 && args.is(index, "BYRADIUS") && !is_rectangle && !is_polygon {
            self.shape = Some(circle(args, index + 1)?);
            return Ok(3);
        }
        if left >= 4 && args.is(index, "BYBOX") && !is_circle && !is_polygon {
            self.shape = Some(rectangle(args, index + 1)?);
            return Ok(4);
        }
        if left >= 3
            && args.is(index, "BYPOLYGON")
            && !is_circle
            && !is_rectangle
            && !self.from_member
            && self.centre.is_none()
        {
            let vertices = vertices(cx, args, index + 1)?;
            let taken = 2 + 2 * vertices.len();
            self.shape = Some(Shape::Polygon(vertices));
            return Ok(taken);
        }
        Ok(0)
    }

    /// Options that do not go together.
    fn check(&self, cx: &mut Ctx<'_>, args: &Args<'_>, command: Command) -> CmdResult {
        if self.target.is_some() && (self.with_distance || self.with_hash || self.with_position) {
            let what = match command {
                Command::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(cx.fail(format_args!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let is_polygon = matches!(self.shape, Some(Shape::Polygon(_)));
        if command.is_search() && self.centre.is_none() && !is_polygon {
            let text = b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ";
            return Err(cx.fail_bytes(&[text, args.at(0)]));
        }
        if command.is_search() && self.shape.is_none() {
            let text = b"ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON can be specified for ";
            return Err(cx.fail_bytes(&[text, args.at(0)]));
        }
        if self.any && self.count == 0 {
            return Err(CmdError::Text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// The search, where there is a key to look in.
    pub(super) fn search(&self) -> Option<Search> {
        let centre = self.centre.flatten();
        match self.shape.as_ref()? {
            Shape::Circle { radius, unit } => Some(Search::circle(centre?, *radius, *unit)),
            Shape::Rectangle { width, height, unit } => {
                Some(Search::rectangle(centre?, *width, *height, *unit))
            }
            Shape::Polygon(vertices) => Search::polygon(vertices.clone()),
        }
    }
}

/// Where a member is; `None` where there is no key.
fn member_position(
    cx: &mut Ctx<'_>,
    args: &Args<'_>,
    source_at: usize,
    index: usize,
) -> Result<Option<Position>, CmdError> {
    let (key, member) = (cx.keys.key(args.at(source_at)), args.at(index));
    let Some(zset) = cx.keys.write_as::<Zset>(key)? else { return Ok(None) };
    match zset.score(member) {
        Some(score) => Ok(Some(geo::decode(score))),
        None => {
            //= valkey 9.1 GEOSEARCH: the error names a member up to its first NUL
            let name = member.split(|&byte| byte == 0).next().unwrap_or_default();
            Err(cx.fail_bytes(&[b"ERR member ", name, b" does not exist"]))
        }
    }
}

fn length(text: &[u8], error: &'static str) -> Result<f64, CmdError> {
    num::parse_f64(text).ok_or(CmdError::Text(error))
}

fn circle(args: &Args<'_>, index: usize) -> Result<Shape, CmdError> {
    let radius = length(args.at(index), "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(CmdError::Text("ERR radius cannot be negative"));
    }
    Ok(Shape::Circle { radius, unit: unit(args.at(index + 1))? })
}

fn rectangle(args: &Args<'_>, index: usize) -> Result<Shape, CmdError> {
    let width = length(args.at(index), "ERR need numeric width")?;
    let height = length(args.at(index + 1), "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(CmdError::Text("ERR height or width cannot be negative"));
    }
    Ok(Shape::Rectangle { width, height, unit: unit(args.at(index + 2))? })
}

/// The vertices of a polygon, their number first.
fn vertices(cx: &mut Ctx<'_>, args: &Args<'_>, index: usize) -> Result<Vec<Position>, CmdError> {
    let count = num::parse_i64(args.at(index)).and_then(|count| i32::try_from(count).ok());
    let count = count.ok_or(CmdError::Text("ERR invalid number of vertices"))?;
    let possible = (args.len() - index - 1) / 2;
    let count = usize::try_from(count).ok().filter(|count| (3..=possible).contains(count));
    let count = count.ok_or(CmdError::Text("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"))?;
    (0..count).map(|vertex| position(cx, args, index + 1 + 2 * vertex)).collect()
}
