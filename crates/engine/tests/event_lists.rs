//! Conditions that gather events.

use sluice_engine::{Engine, InputKind};
use sluice_sim::{Faults, Reaction, Recipe, Rng, World};
use sluice_types::{Expr, Gathering};

fn batch(n: u32, within_ms: Option<u64>) -> Gathering {
    Gathering::Batch { n, within_ms }
}

fn window(size_ms: u64, slide_ms: u64, by: Option<&str>) -> Gathering {
    Gathering::Window { size_ms, slide_ms, by: by.map(|by| Expr(by.into())) }
}

/// A world in which `see` is called with what an app-scoped trigger gathers of the events of a type.
fn world(r#type: &str, gathering: Gathering) -> World {
    let recipe = Recipe::new("app").function("see", &[]);
    let mut world = World::new(23);
    world.behaves("see", |call| Reaction::value(call.keys()));
    world.deploy(&recipe.on_app(|c| c.events(r#type, gathering), "see").build());
    world
}

/// The ids of the events of each call, in the order of the calls.
fn calls(world: &World) -> Vec<Vec<String>> {
    let of = world.calls.iter().filter(|(_, call)| call.function == "see");
    of.map(|(_, call)| call.objects.iter().map(|(id, _)| id.clone()).collect()).collect()
}

fn send(world: &mut World, ids: std::ops::Range<u32>) {
    for id in ids {
        world.event(&format!("e{id}"), "order");
        world.rest();
    }
}

#[test]
fn a_batch_of_events_starts_a_run_with_all_of_them_in_the_order_of_arrival() {
    let mut world = world("ord*", batch(3, None));
    world.event("other", "bill");
    send(&mut world, 0..7);
    assert_eq!(calls(&world), [["e0", "e1", "e2"], ["e3", "e4", "e5"]]);
    let outputs: Vec<_> =
        world.engine.runs().flat_map(|run| run.outputs()).map(|o| o.key.to_string()).collect();
    assert_eq!(outputs.len(), 2);
    assert!(outputs.iter().all(|key| key.starts_with("see-")), "numbered as batches are: {outputs:?}");
}

#[test]
fn a_batch_is_flushed_when_its_first_event_has_waited_long_enough() {
    let mut world = world("order", batch(10, Some(500)));
    send(&mut world, 0..3);
    assert_eq!(world.engine.next_deadline(), None, "rest lets time pass until nothing is due");
    assert_eq!(calls(&world).concat(), ["e0", "e1", "e2"]);
}

#[test]
fn the_first_of_some_events_fire_once_and_the_trigger_begins_again_after_all() {
    let mut world = world("order", Gathering::First { k: 2, n: 3 });
    send(&mut world, 0..6);
    assert_eq!(calls(&world), [["e0", "e1"], ["e3", "e4"]]);
}

#[test]
fn windows_of_events_slide_and_are_kept_apart_by_key() {
    let mut world = world("*", window(100, 100, Some("type")));
    for (id, r#type) in [("a", "x"), ("b", "y"), ("c", "x")] {
        world.event(id, r#type);
    }
    world.rest();
    let mut seen = calls(&world);
    seen.sort();
    assert_eq!(seen, [vec!["a", "c"], vec!["b"]]);
    let groups: Vec<_> = world.calls.iter().map(|(_, call)| call.group.clone()).collect();
    assert!(groups.contains(&Some("x".into())) && groups.contains(&Some("y".into())), "{groups:?}");
}

#[test]
fn a_run_gathers_the_events_that_arrive_while_it_waits() {
    let recipe = Recipe::new("app").function("see", &[]).on(|c| c.events("order", batch(2, None)), "see");
    let mut world = World::new(5);
    world.behaves("see", |call| Reaction::value(call.keys()));
    world.deploy(&recipe.build());
    let run = world.start(&[]);
    send(&mut world, 0..3);
    assert!(world.succeeded(run));
    assert_eq!(calls(&world), [["e0", "e1"]]);
}

#[test]
fn the_app_lets_go_of_the_events_when_their_run_has_ended() {
    let mut world = world("order", batch(2, None));
    world.event("e0", "order");
    world.event("e1", "order");
    let held = |engine: &Engine| {
        let mut lists = 0;
        let app = engine.app(World::APP).expect("it is deployed");
        app.event_lists(&mut |list| lists += usize::from(!list.is_empty()));
        lists
    };
    assert_eq!(held(&world.engine), 1);
    world.rest();
    assert_eq!((calls(&world).len(), held(&world.engine)), (1, 0));
    assert!(world.engine.runs().all(|run| run.outbox_len() == 0));
}

/// What a condition gathers, said without regard to cost.
fn naive(gathering: &Gathering, arrivals: &[(u64, String)]) -> Vec<Vec<String>> {
    let ids = |part: &[(u64, String)]| part.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>();
    match gathering {
        Gathering::Batch { n, .. } => arrivals.chunks_exact(*n as usize).map(ids).collect(),
        Gathering::First { k, n } => {
            let rounds = arrivals.chunks(*n as usize);
            rounds
                .filter(|round| round.len() >= *k as usize)
                .map(|round| ids(&round[..*k as usize]))
                .collect()
        }
        Gathering::Window { size_ms, slide_ms, .. } => {
            let last = arrivals.last().map_or(0, |(at, _)| *at);
            let starts = (0..=last / slide_ms).map(|number| number * slide_ms);
            let windows = starts.map(|start| {
                let within = arrivals.iter().filter(|(at, _)| (start..start + size_ms).contains(at));
                within.map(|(_, id)| id.clone()).collect::<Vec<_>>()
            });
            windows.filter(|window| !window.is_empty()).collect()
        }
    }
}

fn random(rng: &mut Rng) -> Gathering {
    match rng.below(3) {
        0 => batch(1 + rng.below(5) as u32, None),
        1 => {
            let n = 1 + rng.below(6) as u32;
            Gathering::First { k: 1 + rng.below(n as usize) as u32, n }
        }
        _ => {
            let size_ms = 10 + rng.below(90);
            window(size_ms as u64, (size_ms / (1 + rng.below(3))) as u64, None)
        }
    }
}

#[test]
fn every_event_is_gathered_once_through_crashes_and_duplicates() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let gathering = random(&mut rng);
        let mut world = world("order", gathering.clone());
        world.faults =
            Faults { crash_attempts: 150, duplicates: 150, disobedience: 0, crash_process: 30, stored: 0 };
        let mut arrivals = Vec::new();
        for number in 0..rng.below(40) {
            world.now_ms += rng.below(20) as u64;
            let id = format!("e{number}");
            world.event(&id, "order");
            arrivals.push((world.now_ms, id));
            if rng.chance(300) {
                world.step();
            }
        }
        world.rest();
        let mut seen: Vec<_> = completed(&world);
        let mut expected = naive(&gathering, &arrivals);
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected, "seed {seed}: {gathering:?}");
    }
}

/// What the runs returned: the ids that each was called with.
fn completed(world: &World) -> Vec<Vec<String>> {
    let outputs = world.engine.runs().flat_map(|run| run.outputs());
    let text =
        outputs.map(|object| String::from_utf8_lossy(&world.ledger.read(&object.payload)).into_owned());
    text.map(|ids| ids.split(' ').map(str::to_owned).collect()).collect()
}

#[test]
fn a_record_of_a_start_names_the_events_and_does_not_repeat_them() {
    let mut world = world("order", batch(200, None));
    send(&mut world, 0..200);
    let start = world.log.iter().find(|(_, input)| matches!(input.kind, InputKind::Start(_)));
    let bytes = postcard::to_stdvec(&start.expect("a run was started").1).expect("inputs are plain data");
    assert!(bytes.len() < 200, "{} bytes", bytes.len());
    assert_eq!(calls(&world)[0].len(), 200);
}
