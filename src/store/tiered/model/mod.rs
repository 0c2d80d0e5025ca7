//! Every order in which two nodes, Redis and its messages can take their steps, for one key.
//!
//! A small model of what the stores, the fences and the flights do together: each step is one that nothing else can come in
//! between, and says where the program takes it. All orders are explored, and after each step the promise is checked: once
//! a write is acknowledged, no later request is given what is older, on its node at once, on the other when Redis' messages have
//! arrived. Each rule can be left out, and then an order is found that breaks the promise: none of them is idle.

mod world;

use std::collections::HashSet;

use foldhash::fast::RandomState;

use world::{Broken, Fill, Reader, ReaderAt, World};

/// What keeps the promise.
#[derive(Clone, Copy)]
struct Rules {
    /// The script that stores asks for the lease (`put.lua`).
    lease: bool,
    /// What was read under another epoch is not kept (`Tier::copy`).
    epoch: bool,
    /// A message moves the epoch on, beside removing the copy (`Tier::forget_named`).
    message_moves: bool,
    /// An invalidation clears its node's memory again when Redis has carried it out (`TieredStore::invalidate`).
    clear_again: bool,
    /// An invalidation cuts off its node's flights, those too that began while it was carried out (`Cut::drop`).
    cut: bool,
    /// A message has the lease of a fill under way looked at (`UnderWay::changed`).
    look: bool,
    /// What a node has queued keeps it from reading Redis (`Redis::ready`).
    queue_first: bool,
}

const ALL: Rules = Rules {
    lease: true,
    epoch: true,
    message_moves: true,
    clear_again: true,
    cut: true,
    look: true,
    queue_first: true,
};

/// Explores all orders. How many worlds there are, or that one of them is broken.
fn explore(first: &World, rules: Rules) -> Result<usize, Broken> {
    let mut known = HashSet::<World, RandomState>::from_iter([first.clone()]);
    let mut open = vec![first.clone()];
    while let Some(world) = open.pop() {
        // Nobody is left to be given anything.
        if world.readers.iter().all(|reader| reader.at == ReaderAt::Over) {
            continue;
        }
        for next in world.steps(rules)? {
            let next = next.settled();
            if known.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    Ok(known.len())
}

/// Fetches on these nodes, and readers on those, around one write.
fn scene(fills: &[usize], readers: &[usize]) -> World {
    let fill = |node: &usize| Fill { node: *node, ..Fill::default() };
    let reader = |node: &usize| Reader { node: *node, ..Reader::default() };
    World { fills: fills.iter().map(fill).collect(), readers: readers.iter().map(reader).collect(), ..World::default() }
}

/// The scenes that are explored: one fetch and up to two readers, two fetches and one reader.
fn scenes() -> Vec<World> {
    let (one, two) = ([&[0][..], &[1]], [&[0][..], &[1], &[0, 0], &[1, 1]]);
    let single = one.iter().flat_map(|fills| two.iter().map(|readers| scene(fills, readers)));
    let double = one.iter().map(|readers| scene(&[0, 1], readers));
    let around = |plain: World| {
        let (deleted, overtaken) = (World { deletions: 1, ..plain.clone() }, World { lapses: 1, ..plain.clone() });
        [deleted, overtaken, World { outage: true, ..plain }]
    };
    single.chain(double).flat_map(around).collect()
}

#[test]
fn the_promise_is_kept_in_every_order() {
    let worlds: usize = scenes().iter().map(|scene| explore(scene, ALL).unwrap()).sum();
    assert!(worlds > 100_000, "{worlds} worlds");
}

#[test]
fn without_any_one_of_the_rules_it_is_not() {
    let without: [(&str, Rules); 7] = [
        ("lease", Rules { lease: false, ..ALL }),
        ("epoch", Rules { epoch: false, ..ALL }),
        ("message_moves", Rules { message_moves: false, ..ALL }),
        ("clear_again", Rules { clear_again: false, ..ALL }),
        ("cut", Rules { cut: false, ..ALL }),
        ("look", Rules { look: false, ..ALL }),
        ("queue_first", Rules { queue_first: false, ..ALL }),
    ];
    for (rule, rules) in without {
        assert!(scenes().iter().any(|scene| explore(scene, rules).is_err()), "{rule} keeps nothing");
    }
}
