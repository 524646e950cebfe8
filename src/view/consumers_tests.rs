use super::*;
use crate::config::{Config, Surroundings};
use crate::core::tests::world::{FILE, MINUTE, Plan, SECOND, World, consumer, key, shared, usual};
use crate::core::{ConsumerSpec, Outcome, Settings};

/// The first consumer as the status has it, and what is wrong with it.
fn seen(world: &World) -> (ConsumerStatus, Vec<Problem>) {
    let mut config = Config::defaults(&Surroundings { home: "/home/u".into() });
    let spec = &world.settings.consumers[0];
    config.consumers[0].name = spec.name.clone();
    if !spec.restartable {
        config.consumers[0].restart = Restart::None;
    }
    let consumer = world.machine.consumer(&spec.name).unwrap();
    let of = &config.consumers[0];
    (consumer_status(&world.machine, consumer, of), consumer_problems(&world.machine, consumer, of, world.now()))
}

/// What is said of it, and what is to be done.
fn said(world: &World) -> Vec<(String, String)> {
    seen(world).1.into_iter().map(|problem| (problem.message, problem.fix)).collect()
}

/// One that has the variable from `/home`, and a key of each of two projects for it.
fn torn(keys: &[&str], values: [u8; 2]) -> World {
    let settings = Settings {
        keys: shared([key("work", "K", "/work"), key("home", "K", "/home"), key("other", "O", "/home")]),
        consumers: vec![consumer("proxy", keys)],
        ..usual()
    };
    let mut world = World::new(settings);
    world.set("/work", "K", values[0]);
    world.set("/home", "K", values[1]);
    world.set("/home", "O", 9);
    world.launch("proxy", &[("K", values[1]), ("O", 9)]);
    world.start();
    world.run(MINUTE);
    world
}

#[test]
fn a_variable_that_two_keys_give_is_told_with_the_one_that_counts() {
    let mut world = torn(&[], [1, 2]);
    let (status, problems) = seen(&world);
    assert_eq!(status.state, ConsumerState::Current);
    assert_eq!(status.overruled, [("work".to_owned(), "home".to_owned())].into());
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!((&*problem.code, problem.severity), ("shared-variable", Severity::Warning));
    assert_eq!(problem.message, "work and home both give proxy K; it runs with that of home");
    assert_eq!(problem.fix, "choose, for proxy in the configuration, as in: keys = [\"home\", \"other\"]");
    assert_eq!(problem.about, ["work", "home", "proxy"]);
    // Who doesn't run is given nothing.
    world.kill("proxy");
    world.run(MINUTE);
    assert_eq!(seen(&world).1, []);
}

#[test]
fn one_key_for_a_variable_is_no_problem() {
    for (keys, values) in [(&["home", "other"][..], [1, 2]), (&[], [2, 2])] {
        assert_eq!(seen(&torn(keys, values)).1, [], "{keys:?} {values:?}");
    }
    let (status, problems) = seen(&torn(&["work", "home"], [1, 2]));
    assert_eq!((problems.len(), status.overruled.len()), (1, 1), "both are named for it");
}

#[test]
fn a_value_that_nobody_is_given_is_told_with_who_has_another() {
    let mut world = World::running();
    world.files.get_mut(std::path::Path::new(FILE)).unwrap().control_characters = true;
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!(seen(&world).0.state, ConsumerState::Stale);
    let config = Config::defaults(&Surroundings { home: "/home/u".into() });
    let calendar = crate::cron::CronCalendar::new(&config.alerts.remind, config.probes()).unwrap();
    let home = std::path::Path::new("/home/u");
    let at = crate::view::Viewpoint { now: world.now(), calendar: &calendar, config: &config, home, daemon: None, problems: Vec::new() };
    let problems = crate::view::status(&world.machine, at).problems;
    let told = problems.iter().find(|problem| problem.code == "control-character").unwrap();
    assert_eq!(told.about, ["bedrock", "litellm"]);
}

#[test]
fn what_comes_by_itself_is_not_to_be_asked_for() {
    let mut world = World::running();
    for value in 2..=5 {
        world.edit(FILE, "K", value);
        world.run(SECOND * 20);
    }
    let (status, problems) = seen(&world);
    assert_eq!(status.state, ConsumerState::Pending);
    let at = status.retry_at.unwrap();
    let fix = format!("nothing to do: it is tried again at {at:.0}");
    assert_eq!(problems.iter().map(|problem| &problem.fix).collect::<Vec<_>>(), [&fix]);
    world.run(at.duration_since(world.now()) + MINUTE);
    assert_eq!(seen(&world).0.state, ConsumerState::Current);

    // After a failure it is tried again sooner than the limit allows a restart.
    let mut world = World::running();
    for value in 2..=4 {
        if value == 4 {
            world.plans = [Plan::Ends(Outcome::RolledBack)].into();
        }
        world.edit(FILE, "K", value);
        world.run(SECOND * 20);
    }
    let fix = said(&world).remove(0).1;
    let at: Timestamp = fix.strip_prefix("nothing to do: it is tried again at ").unwrap().parse().unwrap();
    assert!(seen(&world).0.retry_at.unwrap() < at - MINUTE, "{fix}");
    world.run(at.duration_since(world.now()) - SECOND);
    assert_eq!((seen(&world).0.state, said(&world).remove(0).1), (ConsumerState::Pending, fix), "the try in between changed nothing");
    world.run(MINUTE);
    assert_eq!(seen(&world).0.state, ConsumerState::Current);

    // Below the limit it can be asked for sooner.
    let mut world = World::running();
    world.plans = [Plan::Ends(Outcome::RolledBack)].into();
    world.edit(FILE, "K", 2);
    world.run(MINUTE);
    assert_eq!(said(&world)[0].1, "credd apply litellm");
}

#[test]
fn what_is_lacking_is_not_another_key() {
    let settings = Settings {
        keys: shared([key("bedrock", "K", FILE), key("openai", "O", FILE), key("team", "T", FILE)]),
        consumers: vec![ConsumerSpec { restartable: false, ..consumer("proxy", &[]) }],
        ..usual()
    };
    let told = |env: &[(&str, u8)]| {
        let mut world = World::new(settings.clone());
        for (variable, value) in [("K", 1), ("O", 2), ("T", 3)] {
            world.set(FILE, variable, value);
        }
        world.launch("proxy", env);
        world.start();
        world.run(MINUTE);
        let (message, fix) = said(&world).remove(0);
        assert_eq!(fix, "restart proxy yourself");
        message
    };
    assert_eq!(told(&[("K", 1), ("O", 2)]), "proxy lacks the key team");
    assert_eq!(told(&[("K", 1)]), "proxy lacks the keys openai and team");
    assert_eq!(told(&[("K", 7), ("O", 2)]), "proxy runs with another key than the env file holds");
}

#[test]
fn many_names_are_a_few() {
    assert_eq!(
        ["a", "b", "c", "d"].map(|last| listed(&["a", "b", "c", "d"][..=usize::from(last.as_bytes()[0] - b'a')])),
        ["a", "a and b", "a, b and c", "a, b, c and d"]
    );
    assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
}
