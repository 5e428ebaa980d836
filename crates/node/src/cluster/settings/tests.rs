//! The table is true, and wrong values never get in.

use expect_test::{expect, expect_file};

use super::*;

fn base() -> Values {
    Values::of(&Settings::default(), &Options::default())
}

fn in_force(rows: &[(&str, &str)]) -> InForce {
    let rows = rows.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    InForce::new(&base(), &Settings::default(), rows)
}

#[test]
fn the_defaults_are_those_of_the_program() {
    for setting in SETTINGS {
        assert!(setting.kind.read(setting.default).is_some(), "{}", setting.name);
        let set = in_force(&[(setting.name, setting.default)]);
        assert_eq!(set.values, base(), "{}", setting.name);
    }
}

#[test]
fn names_are_in_order_and_unique() {
    assert!(SETTINGS.is_sorted_by(|one, next| one.name < next.name));
}

#[test]
fn values_are_applied() {
    let set = in_force(&[
        ("limits.call-depth", "7"),
        ("retention.finished", "P1D\n5\nanna"),
        ("maintenance", "on\n12\nanna"),
        ("from.a.newer.program", "x"),
    ]);
    assert_eq!(set.settings.limits.call_depth_max, 7);
    assert_eq!(set.settings.retention_ms, 86_400_000);
    let maintenance = Maintenance { by: "anna".into(), since_ms: 12 };
    assert_eq!(set.settings.maintenance, Some(maintenance));
}

/// SET-2: what cannot be read counts as the default.
#[test]
fn what_is_not_understood_counts_as_the_default() {
    assert_eq!(in_force(&[("limits.call-depth", "many")]).values, base());
}

/// SET-1: each kind says what it must be.
#[test]
fn wrong_values_are_refused_with_what_they_must_be() {
    let said = |name, value| check(name, value).unwrap_err().to_string();
    let all = [
        said("limits.call-depth", "0"),
        said("limits.call-depth", "-1"),
        said("cluster.lease", "5"),
        said("cluster.lease", "P1Y"),
        said("cluster.lease", "PT0.1S"),
        said("maintenance", "yes"),
        said("limits.cal-depth", "1"),
    ];
    expect![[r"
        setting `limits.call-depth` cannot be `0`: it must be a number of processes from 1 to 10000
        setting `limits.call-depth` cannot be `-1`: it must be a number of processes from 1 to 10000
        setting `cluster.lease` cannot be `5`: it must be an ISO 8601 duration from PT0.5S to PT180S
        setting `cluster.lease` cannot be `P1Y`: it must be an ISO 8601 duration from PT0.5S to PT180S
        setting `cluster.lease` cannot be `PT0.1S`: it must be an ISO 8601 duration from PT0.5S to PT180S
        setting `maintenance` cannot be `yes`: it must be off or on
        there is no setting `limits.cal-depth`"]]
    .assert_eq(&all.join("\n"));
    let Err(Error::UnknownSetting { nearest, .. }) = known("limits.cal-depth") else { panic!() };
    assert_eq!(nearest.as_deref(), Some("limits.call-depth"));
}

#[test]
fn signs_of_life_must_fit_into_a_lease() {
    assert!(check_together(&base()).is_ok());
    let late = Values { beat_ms: 600, ..base() };
    assert!(check_together(&late).is_err());
}

#[test]
fn a_format_is_raised_when_every_server_writes_it_and_never_lowered() {
    let members = || [("a", 2), ("b", 1), ("c", 1)].into_iter();
    assert!(check_format(1, 1, members()).is_ok());
    assert!(check_format(1, 2, members().take(1)).is_ok());
    let said = |from, to| check_format(from, to, members()).unwrap_err().to_string();
    expect![[r"
        not every server writes format 2: `b` up to 1, `c` up to 1
        format 2 is in force and cannot be lowered to 1"]]
    .assert_eq(&[said(1, 2), said(2, 1)].join("\n"));
}

#[test]
fn what_is_stored_is_read_again() {
    let stored = Stored { value: "PT5S".into(), at_ms: 12, by: "an\nna".into() };
    let read = Stored::read(&stored.write());
    assert_eq!(read, Stored { by: "an na".into(), ..stored });
}

#[test]
fn the_guide_has_this_table() {
    let mut text = "| setting | must be | default | since | meaning |\n| --- | --- | --- | --- | \
                    --- |\n"
        .to_owned();
    for Setting { name, kind, default, since, meaning, .. } in SETTINGS {
        text += &format!("| `{name}` | {kind} | `{default}` | {since} | {meaning} |\n");
    }
    expect_file!["../../../../../docs/src/settings-table.md"].assert_eq(&text);
}
