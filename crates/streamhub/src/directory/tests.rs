use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashSet;

fn directory() -> Directory {
    Directory::new(
        Limits {
            users_max: 40,
            ..Limits::default()
        },
        Snapshot::default(),
    )
}

fn present(session: u64) -> Present {
    Present {
        session: SessionId(session),
        socket_id: format!("socket-{session}"),
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn register(directory: &mut Directory, session: u64, name: &str) -> Registered {
    resume(directory, session, name, None)
}

fn resume(directory: &mut Directory, session: u64, name: &str, token: Option<&str>) -> Registered {
    let new_token = || Uuid::new_v4().to_string();
    directory
        .register(
            present(session),
            name,
            Role::Viewer,
            token,
            new_token,
            at(session),
        )
        .expect("there is room")
}

#[test]
fn the_same_name_from_elsewhere_is_somebody_else() {
    let mut directory = directory();
    let ada = register(&mut directory, 1, "Ada");
    let other = register(&mut directory, 2, "ada");
    assert_ne!(ada.user.row.id, other.user.row.id);
    assert_eq!(other.replaced, None);
    assert_eq!(
        directory.of_session(SessionId(1)).unwrap().row.id,
        ada.user.row.id
    );
    directory.session_gone(SessionId(1), at(3));
    assert_ne!(
        register(&mut directory, 4, "Ada").user.row.id,
        ada.user.row.id
    );
}

#[test]
fn who_shows_the_token_is_the_same_user_with_its_first_spelling_and_role() {
    let mut directory = directory();
    let ada = register(&mut directory, 1, "Ada");
    let token = Some(ada.resume_token.as_str());
    let back = resume(&mut directory, 2, "somebody", token);
    assert_eq!(back.user.row.id, ada.user.row.id);
    assert_eq!(back.user.row.username, "Ada");
    assert_eq!(back.replaced, Some(SessionId(1)));
    assert!(directory.of_session(SessionId(1)).is_none());
    assert!(directory.session_gone(SessionId(1), at(3)).is_none());
    assert!(
        directory.user(ada.user.row.id).unwrap().presence.is_some(),
        "the new one is here"
    );
}

#[test]
fn a_session_that_takes_a_second_name_leaves_the_first_user_gone() {
    let mut directory = directory();
    let first = register(&mut directory, 1, "Ada");
    register(&mut directory, 1, "Bob");
    assert!(
        directory
            .user(first.user.row.id)
            .unwrap()
            .presence
            .is_none()
    );
    assert_eq!(directory.counts(), (2, 1));
}

#[test]
fn a_session_that_registers_its_own_name_again_stays_who_it_is() {
    let mut directory = directory();
    let first = register(&mut directory, 1, "Ada");
    let again = register(&mut directory, 1, "ADA");
    assert_eq!(again.user.row.id, first.user.row.id);
    assert_eq!(again.user.row.username, "Ada");
    directory.session_gone(SessionId(1), at(2));
    let back = resume(&mut directory, 2, "Ada", Some(&again.resume_token));
    assert_eq!(back.user.row.id, first.user.row.id);
}

#[test]
fn when_there_are_too_many_the_longest_gone_whom_nobody_follows_is_forgotten() {
    let mut directory = directory();
    let star = register(&mut directory, 1, "star").user.row.id;
    let mut ids = Vec::new();
    for session in 2..=40 {
        let name = format!("fan {session}");
        let fan = register(&mut directory, session, &name);
        directory.session_gone(SessionId(session), at(session));
        ids.push(fan.user.row.id);
        if session == 2 {
            directory.subscribe(ids[0], star, at(2)).unwrap();
            resume(&mut directory, 2, &name, Some(&fan.resume_token));
            directory.session_gone(SessionId(2), at(2));
        }
    }
    directory.session_gone(SessionId(1), at(0));
    let new = register(&mut directory, 60, "new");
    assert_eq!(
        new.forgotten,
        [ids[1]],
        "not the star, which is gone for longer, and not the one who came back"
    );
    assert!(directory.counts().0 <= 40);
}

#[test]
fn when_nobody_can_be_forgotten_a_registration_is_refused() {
    let mut directory = directory();
    for session in 1..=40 {
        register(&mut directory, session, "here");
    }
    let refused = directory
        .register(
            present(41),
            "one more",
            Role::Viewer,
            None,
            || "token".into(),
            at(41),
        )
        .unwrap_err();
    assert_eq!(refused, RegisterError::Full { max: 40 });
}

#[test]
fn names_are_measured_in_characters() {
    let mut directory = directory();
    register(&mut directory, 1, &"ñ".repeat(64));
    let long = "ñ".repeat(65);
    let refused = directory
        .register(
            present(2),
            &long,
            Role::Viewer,
            None,
            || "token".into(),
            at(2),
        )
        .unwrap_err();
    assert_eq!(refused, RegisterError::NameTooLong { chars: 65, max: 64 });
}

#[test]
fn following_survives_a_restart_and_only_those_who_are_here_are_told() {
    let mut before = directory();
    let ada = register(&mut before, 1, "Ada").user.row;
    let bob = register(&mut before, 2, "Bob");
    let row = before.subscribe(bob.user.row.id, ada.id, at(3)).unwrap();
    let pointless = before.subscribe(bob.user.row.id, ada.id, at(3));
    assert_eq!(pointless, Err(SubscribeError::Pointless));
    assert_eq!(
        before.subscribe(ada.id, ada.id, at(3)),
        Err(SubscribeError::Pointless)
    );
    let unknown = before.subscribe(ada.id, Uuid::nil(), at(3));
    assert_eq!(unknown, Err(SubscribeError::Unknown));

    let snapshot = Snapshot {
        users: vec![ada.clone(), bob.user.row.clone()],
        subscriptions: vec![row],
    };
    let mut after = Directory::new(Limits::default(), snapshot);
    assert!(after.present_followers(ada.id).is_empty());
    resume(&mut after, 9, "Bob", Some(&bob.resume_token));
    assert_eq!(after.present_followers(ada.id), [SessionId(9)]);
    assert!(after.unsubscribe(bob.user.row.id, ada.id));
    assert!(!after.unsubscribe(bob.user.row.id, ada.id));
    assert!(after.present_followers(ada.id).is_empty());
}

#[test]
fn a_label_that_returns_keeps_its_subscriptions_and_nothing_else() {
    let mut directory = directory();
    let ada = register(&mut directory, 1, "Ada");
    let bob = register(&mut directory, 2, "Bob");
    directory
        .subscribe(bob.user.row.id, ada.user.row.id, at(3))
        .unwrap();
    directory.session_gone(SessionId(1), at(4));
    directory.session_gone(SessionId(2), at(4));

    let ada_again = register(&mut directory, 5, "ada");
    assert_ne!(ada_again.user.row.id, ada.user.row.id);
    let bob_again = register(&mut directory, 6, "bob");
    assert_eq!(
        directory.present_followers(ada_again.user.row.id),
        [SessionId(6)]
    );
    assert!(directory.follows(bob_again.user.row.id, ada_again.user.row.id));
    let listed: Vec<_> = directory.others(bob_again.user.row.id);
    assert_eq!(listed.len(), 1, "the ghosts are not listed");
    let followed: Vec<_> = directory.followed_by(bob_again.user.row.id).collect();
    assert_eq!(followed.len(), 1, "nor counted twice");

    let owner = resume(&mut directory, 7, "Ada", Some(&ada.resume_token));
    assert_eq!(
        owner.user.row.id, ada.user.row.id,
        "the token is worth what it was"
    );
    assert_eq!(directory.present_followers(ada.user.row.id), [SessionId(6)]);
}

#[test]
fn who_ever_showed_its_token_is_no_mere_label() {
    let mut directory = directory();
    let ada = register(&mut directory, 1, "Ada");
    resume(&mut directory, 2, "Ada", Some(&ada.resume_token));
    let bob = register(&mut directory, 3, "Bob");
    directory
        .subscribe(bob.user.row.id, ada.user.row.id, at(4))
        .unwrap();
    directory.session_gone(SessionId(2), at(5));
    let impostor = register(&mut directory, 6, "Ada");
    assert!(impostor.inherited.is_empty());
    assert!(directory.present_followers(impostor.user.row.id).is_empty());
    assert_eq!(
        directory.others(bob.user.row.id).len(),
        2,
        "both are listed"
    );
}

#[test]
fn when_all_follow_each_other_the_longest_gone_is_forgotten() {
    let mut directory = directory();
    let users: Vec<_> = (1..=40)
        .map(|session| {
            let name = format!("user {session}");
            register(&mut directory, session, &name).user.row.id
        })
        .collect();
    for pair in users.windows(2) {
        directory.subscribe(pair[0], pair[1], at(41)).unwrap();
        directory.subscribe(pair[1], pair[0], at(41)).unwrap();
    }
    for session in 1..=40 {
        directory.session_gone(SessionId(session), at(50 + session));
    }
    let new = register(&mut directory, 100, "new");
    assert_eq!(new.forgotten, [users[0]]);
    assert!(!directory.follows(users[1], users[0]), "no tie is left");
}

#[test]
fn a_crowd_of_names_that_follow_each_other_pushes_out_nobody_who_came_back() {
    let mut directory = directory();
    let ada = register(&mut directory, 1, "Ada");
    resume(&mut directory, 1, "Ada", Some(&ada.resume_token));
    let fan = register(&mut directory, 2, "fan");
    let (ada, fan) = (ada.user.row.id, fan.user.row.id);
    directory.subscribe(fan, ada, at(3)).unwrap();
    // Without followers, and gone before the crowd comes.
    let bob = register(&mut directory, 3, "Bob");
    resume(&mut directory, 3, "Bob", Some(&bob.resume_token));
    for session in 1..=3 {
        directory.session_gone(SessionId(session), at(3));
    }
    let mut last = fan;
    for session in 10..=500 {
        let name = format!("name {session}");
        let new = register(&mut directory, session, &name).user.row.id;
        for other in [last, ada] {
            let _ = directory.subscribe(new, other, at(session));
        }
        let _ = directory.subscribe(last, new, at(session));
        directory.session_gone(SessionId(session), at(session));
        last = new;
    }
    assert!(directory.user(ada).is_some() && directory.user(bob.user.row.id).is_some());
    assert!(
        directory.user(fan).is_none(),
        "it was a name, the longest gone"
    );
}

#[test]
fn a_label_fills_no_table() {
    let mut directory = directory();
    let star = register(&mut directory, 1, "star").user.row.id;
    let first = register(&mut directory, 2, "fan");
    directory.subscribe(first.user.row.id, star, at(2)).unwrap();
    let mut inherited = 0;
    let mut last = first.user.row.id;
    for session in 3..=100 {
        directory.session_gone(SessionId(session - 1), at(session));
        let fan = register(&mut directory, session, "fan");
        inherited += fan.inherited.len();
        last = fan.user.row.id;
    }
    assert_eq!(directory.counts().0, 2 + LABEL_ONLY_MAX);
    assert_eq!(inherited, 8, "subscriptions are given so often a minute");
    assert!(!directory.follows(last, star));
    // A minute later whoever comes has them again.
    directory.session_gone(SessionId(100), at(101));
    let later = register(&mut directory, 60_200, "fan").user.row.id;
    assert!(directory.follows(later, star));
}

#[test]
fn who_comes_in_the_same_millisecond_as_its_namesakes_is_not_forgotten_for_them() {
    let mut directory = directory();
    for _ in 0..200 {
        let name = ["a", "b"];
        for name in name {
            let came = directory.register(
                present(1),
                name,
                Role::Viewer,
                None,
                || Uuid::new_v4().to_string(),
                at(5),
            );
            let came = came.expect("there is room").user.row.id;
            assert!(directory.user(came).is_some());
        }
    }
}

/// What a client may do to the directory.
#[derive(Debug, Clone)]
enum Step {
    Register {
        session: u64,
        name: usize,
        shows: bool,
    },
    Goes {
        session: u64,
    },
    Follows {
        follower: usize,
        target: usize,
    },
    Leaves {
        follower: usize,
        target: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..30_u64, 0..6_usize, any::<bool>()).prop_map(|(session, name, shows)| Step::Register { session, name, shows }),
        3 => (0..30_u64).prop_map(|session| Step::Goes { session }),
        2 => (0..40_usize, 0..40_usize).prop_map(|(follower, target)| Step::Follows { follower, target }),
        1 => (0..40_usize, 0..40_usize).prop_map(|(follower, target)| Step::Leaves { follower, target }),
    ]
}

/// Whom a list has, by a walk over everybody for each of them.
fn others_by_walking(directory: &Directory, asker: Uuid) -> Vec<Uuid> {
    let rank = |user: &User| (user.presence.is_some(), user.row.seen_at, user.row.id);
    let is_stood_for = |user: &User| {
        let mut others = directory.users.values();
        user.is_label_only()
            && others.any(|other| other.label() == user.label() && rank(other) > rank(user))
    };
    let all = directory.users.values();
    let mut others: Vec<_> = all
        .filter(|user| user.row.id != asker && !is_stood_for(user))
        .collect();
    others.sort_by_key(|user| std::cmp::Reverse(rank(user)));
    others.iter().map(|user| user.row.id).collect()
}

proptest! {
    #[test]
    fn a_list_is_what_a_walk_over_everybody_would_say(steps in vec(step(), 1..120)) {
        let mut directory = directory();
        let mut tokens: Vec<String> = Vec::new();
        for (time, step) in steps.into_iter().enumerate() {
            let now = at(time as u64 * 700);
            let mut ids: Vec<_> = directory.users.keys().copied().collect();
            ids.sort_unstable();
            let id = |n: usize| ids.get(n).copied().unwrap_or_default();
            match step {
                Step::Register { session, name, shows } => {
                    let shown = tokens.get(session as usize).filter(|_| shows).cloned();
                    let (name, new_token) = (format!("name {name}"), || Uuid::new_v4().to_string());
                    let registered = directory.register(present(session), &name, Role::Viewer, shown.as_deref(), new_token, now);
                    if let Ok(registered) = registered {
                        tokens.push(registered.resume_token);
                    }
                }
                Step::Goes { session } => drop(directory.session_gone(SessionId(session), now)),
                Step::Follows { follower, target } => drop(directory.subscribe(id(follower), id(target), now)),
                Step::Leaves { follower, target } => drop(directory.unsubscribe(id(follower), id(target))),
            }
            let asker = id(0);
            let listed: Vec<_> = directory.others(asker).iter().map(|user| user.row.id).collect();
            prop_assert_eq!(listed, others_by_walking(&directory, asker));
            let gone: HashSet<_> = directory.roll.gone().collect();
            let really: HashSet<_> = directory.users.values().filter(|user| user.presence.is_none()).map(|user| user.row.id).collect();
            prop_assert_eq!(gone, really);
            for user in directory.users.values() {
                let returned = |id: &&Uuid| directory.users[*id].row.token_shown;
                prop_assert_eq!(user.followers.iter().filter(returned).count(), user.returned_followers);
                prop_assert!(user.followers.iter().all(|id| directory.follows(*id, user.row.id)));
            }
        }
    }
}
