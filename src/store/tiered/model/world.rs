//! The world of the model, and the steps that it can take.

use super::Rules;

/// The version that the origin has; it grows with every write.
pub(super) type Version = u8;
pub(super) const NODES: usize = 2;
/// The node of the write.
pub(super) const HERE: usize = 0;

#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct World {
    pub(super) origin: Version,
    pub(super) redis: Record,
    pub(super) nodes: [Node; NODES],
    pub(super) fills: Vec<Fill>,
    pub(super) readers: Vec<Reader>,
    pub(super) write: Write,
    /// How often the record may still be deleted by somebody else.
    pub(super) deletions: u8,
    /// How often the holder of a lease may still be overtaken by its deadline.
    pub(super) lapses: u8,
    pub(super) lapsed: bool,
    /// Whether Redis may be out of reach for the write.
    pub(super) outage: bool,
}

/// The key's hash in Redis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Record {
    entry: Option<Version>,
    /// The fill that holds it.
    lease: Option<u8>,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Node {
    copy: Option<Version>,
    inbox: Vec<Message>,
    /// No later request may be given anything older.
    newest: Version,
    queued: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Message {
    Changed,
    /// What was acknowledged before this: the node has heard everything that came before it.
    Acknowledged(Version),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Fill {
    pub(super) node: usize,
    pub(super) at: FillAt,
    pub(super) fetched: Version,
    pub(super) holds: bool,
    /// An invalidation of its own node came: it takes nobody more.
    pub(super) cut: bool,
    /// A message came: its lease is to be looked at.
    pub(super) heard: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Default)]
pub(super) enum FillAt {
    #[default]
    Begins,
    Asks,
    Stores,
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Reader {
    pub(super) node: usize,
    pub(super) at: ReaderAt,
    /// What its node had promised when it began.
    pub(super) newest: Version,
    /// The epoch has moved on since it looked at memory.
    pub(super) moved: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum ReaderAt {
    #[default]
    Begins,
    /// Memory had nothing.
    Reads,
    /// Redis had this.
    Keeps(Version),
    /// It shares the fetch of this fill.
    Follows(usize),
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Write {
    #[default]
    Begins,
    Clears,
    Deletes,
    ClearsAgain,
    Acknowledges,
    /// Kept until Redis is back.
    Queued,
    Over,
}

/// An order of steps after which a request was given something too old.
#[derive(Debug)]
pub(super) struct Broken;

impl World {
    fn tell(&mut self, message: Message) {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            // Whom it does not concern any more needs no message.
            let awaited = self.readers.iter().any(|reader| reader.node == at && reader.at != ReaderAt::Over);
            let known =
                node.inbox.last() == Some(&message) || matches!(message, Message::Acknowledged(_)) && at == HERE;
            if awaited && !known {
                node.inbox.push(message);
            }
        }
    }

    fn forget(&mut self, node: usize, moves: bool) {
        self.nodes[node].copy = None;
        let reading = |at| matches!(at, ReaderAt::Reads | ReaderAt::Keeps(_));
        for reader in self.readers.iter_mut().filter(|reader| reader.node == node && reading(reader.at)) {
            reader.moved |= moves;
        }
    }

    /// The same world without what can no longer matter, so that fewer are told apart.
    pub(super) fn settled(mut self) -> Self {
        for at in 0..self.fills.len() {
            let followed = self.readers.iter().any(|reader| reader.at == ReaderAt::Follows(at));
            if self.fills[at].at == FillAt::Over && !followed {
                self.fills[at] = Fill { node: self.fills[at].node, at: FillAt::Over, ..Fill::default() };
            }
        }
        for at in 0..NODES {
            if !self.readers.iter().any(|reader| reader.node == at && reader.at != ReaderAt::Over) {
                (self.nodes[at].copy, self.nodes[at].newest) = (None, 0);
                self.nodes[at].inbox.clear();
            }
        }
        self
    }

    fn delete(&mut self) {
        if self.redis != Record::default() {
            self.redis = Record::default();
            self.tell(Message::Changed);
        }
    }

    fn cut(&mut self, node: usize) {
        for fill in self.fills.iter_mut().filter(|fill| fill.node == node && fill.at != FillAt::Begins) {
            fill.cut = true;
        }
    }

    /// Every world that is one step away.
    pub(super) fn steps(&self, rules: Rules) -> Result<Vec<Self>, Broken> {
        let mut next = Vec::new();
        for at in 0..self.fills.len() {
            next.extend(self.fill(at, rules));
            next.extend(self.look(at));
        }
        for at in 0..self.readers.len() {
            next.extend(self.read(at, rules)?);
        }
        for node in 0..NODES {
            next.extend(self.hear(node, rules));
        }
        next.extend(self.write(rules));
        next.extend(self.lose_reach());
        next.extend(self.meddle());
        Ok(next)
    }

    /// A fetch: lease, upstream, store. Without a lease it fetches all the same.
    fn fill(&self, at: usize, rules: Rules) -> Option<Self> {
        let mut world = self.clone();
        let Fill { node, at: stage, .. } = self.fills[at];
        match stage {
            FillAt::Begins => {
                let free = self.redis.lease.is_none() || self.lapsed;
                let holds = free && !(self.nodes[node].queued && rules.queue_first);
                if holds {
                    world.redis.lease = Some(at as u8);
                    world.lapsed = false;
                    world.tell(Message::Changed);
                }
                (world.fills[at].holds, world.fills[at].at) = (holds, FillAt::Asks);
            }
            FillAt::Asks => (world.fills[at].fetched, world.fills[at].at) = (self.origin, FillAt::Stores),
            FillAt::Stores => {
                let fill = self.fills[at];
                let may = self.redis.lease == Some(at as u8) || !rules.lease;
                if fill.holds && !fill.cut && may {
                    world.redis = Record { entry: Some(fill.fetched), lease: None };
                    world.tell(Message::Changed);
                }
                world.fills[at].at = FillAt::Over;
            }
            FillAt::Over => return None,
        }
        Some(world)
    }

    /// The lease of a fill is looked at, for a message that came.
    fn look(&self, at: usize) -> Option<Self> {
        let fill = self.fills[at];
        let mut world = self.clone();
        (fill.heard && fill.at != FillAt::Begins).then(|| {
            world.fills[at].heard = false;
            world.fills[at].cut |= !fill.holds || self.redis.lease != Some(at as u8);
            world
        })
    }

    fn read(&self, at: usize, rules: Rules) -> Result<Option<Self>, Broken> {
        let mut world = self.clone();
        let Reader { node, at: stage, .. } = self.readers[at];
        let Node { copy, newest, queued, .. } = self.nodes[node];
        let reader = &mut world.readers[at];
        match stage {
            ReaderAt::Begins => {
                reader.newest = newest;
                reader.at = match copy {
                    Some(version) => return self.given(at, newest, version),
                    None => ReaderAt::Reads,
                };
            }
            ReaderAt::Reads => {
                let readable = !(queued && rules.queue_first);
                reader.at = match self.redis.entry.filter(|_| readable) {
                    Some(version) => ReaderAt::Keeps(version),
                    None => self.joins(node).map_or(ReaderAt::Over, ReaderAt::Follows),
                };
            }
            ReaderAt::Keeps(version) => {
                if !reader.moved || !rules.epoch {
                    world.nodes[node].copy = Some(version);
                }
                return world.given(at, self.readers[at].newest, version);
            }
            ReaderAt::Follows(fill) if self.fills[fill].at > FillAt::Asks => {
                return self.given(at, self.readers[at].newest, self.fills[fill].fetched);
            }
            ReaderAt::Follows(_) | ReaderAt::Over => return Ok(None),
        }
        Ok(Some(world))
    }

    fn given(&self, reader: usize, newest: Version, version: Version) -> Result<Option<Self>, Broken> {
        let mut world = self.clone();
        world.readers[reader] = Reader { node: world.readers[reader].node, ..Reader::default() };
        world.readers[reader].at = ReaderAt::Over;
        check(newest, version).map(|()| Some(world))
    }

    /// The fetch under way that a request on this node would share.
    fn joins(&self, node: usize) -> Option<usize> {
        self.fills
            .iter()
            .position(|fill| fill.node == node && !fill.cut && matches!(fill.at, FillAt::Asks | FillAt::Stores))
    }

    /// The next message arrives. What was acknowledged counts once everything told before was acted on.
    fn hear(&self, node: usize, rules: Rules) -> Option<Self> {
        let mut world = self.clone();
        let message = *self.nodes[node].inbox.first()?;
        world.nodes[node].inbox.remove(0);
        match message {
            Message::Changed => {
                world.forget(node, rules.message_moves);
                for fill in world.fills.iter_mut().filter(|fill| fill.node == node && rules.look) {
                    fill.heard |= matches!(fill.at, FillAt::Asks | FillAt::Stores);
                }
            }
            Message::Acknowledged(version) => {
                if self.fills.iter().any(|fill| fill.node == node && fill.heard) {
                    return None;
                }
                world.nodes[node].newest = version;
            }
        }
        Some(world)
    }

    fn write(&self, rules: Rules) -> Option<Self> {
        let mut world = self.clone();
        world.write = match self.write {
            Write::Begins => {
                world.origin += 1;
                Write::Clears
            }
            Write::Clears => {
                world.forget(HERE, true);
                Write::Deletes
            }
            Write::Deletes => {
                world.delete();
                Write::ClearsAgain
            }
            Write::ClearsAgain => {
                if rules.clear_again {
                    world.forget(HERE, true);
                }
                Write::Acknowledges
            }
            Write::Acknowledges => {
                if rules.cut {
                    world.cut(HERE);
                }
                world.nodes[HERE].newest = self.origin;
                if self.nodes[HERE].queued {
                    Write::Queued
                } else {
                    world.tell(Message::Acknowledged(self.origin));
                    Write::Over
                }
            }
            Write::Queued => {
                world.delete();
                world.nodes[HERE].queued = false;
                world.tell(Message::Acknowledged(self.origin));
                Write::Over
            }
            Write::Over => return None,
        };
        Some(world)
    }

    /// Redis does not answer the write, which is kept and acknowledged.
    fn lose_reach(&self) -> Option<Self> {
        let mut world = self.clone();
        (self.outage && self.write == Write::Deletes).then(|| {
            world.nodes[HERE].queued = true;
            world.write = Write::ClearsAgain;
            world
        })
    }

    /// Somebody deletes the record, Redis evicts it, or a lease outlives its time.
    fn meddle(&self) -> Vec<Self> {
        let mut next = Vec::new();
        if self.deletions > 0 && self.redis != Record::default() {
            let mut world = self.clone();
            world.deletions -= 1;
            world.delete();
            next.push(world);
        }
        if self.lapses > 0 && self.redis.lease.is_some() && !self.lapsed {
            let mut world = self.clone();
            (world.lapses, world.lapsed) = (self.lapses - 1, true);
            next.push(world);
        }
        next
    }
}

fn check(newest: Version, given: Version) -> Result<(), Broken> {
    if given < newest { Err(Broken) } else { Ok(()) }
}
