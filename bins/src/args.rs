//! Command lines: flags as Prometheus' programs have them, `--name=value` or `--name value`.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};

/// One flag of a program.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// The name, without dashes.
    pub name: &'static str,
    /// What stands for the value in the help text.
    pub value: &'static str,
    /// The value where the flag isn't given.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
}

/// What the user typed: a value for each flag of the program, the defaults filled in.
#[derive(Debug, Clone)]
pub struct Args {
    values: Vec<(&'static str, Vec<String>)>,
    flags: &'static [Flag],
    /// What is neither a flag nor a flag's value.
    pub words: Vec<String>,
}

/// What a command line asks for.
#[derive(Debug, Clone)]
pub enum Asked {
    /// To run with these.
    Run(Args),
    /// For the help text.
    Help,
    /// For the version.
    Version,
}

impl Args {
    /// Reads the command line `args`, the program's name not among them.
    ///
    /// A flag that is given twice has its last value, unless all are asked for. One dash is as good as two, as in Go's
    /// programs.
    ///
    /// # Errors
    /// An unknown flag, or one without its value.
    pub fn parse(
        flags: &'static [Flag],
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Asked, lexopt::Error> {
        let mut parsed = Self {
            values: flags.iter().map(|flag| (flag.name, Vec::new())).collect(),
            flags,
            words: Vec::new(),
        };
        let mut parser = Parser::from_args(args.into_iter().map(two_dashes));
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
                Arg::Long("version") => return Ok(Asked::Version),
                Arg::Value(word) => parsed.words.push(word.string()?),
                Arg::Long(name) => {
                    let Some(at) = flags.iter().position(|flag| flag.name == name) else {
                        return Err(arg.unexpected());
                    };
                    parsed.values[at].1.push(parser.value()?.string()?);
                }
                Arg::Short(_) => return Err(arg.unexpected()),
            }
        }
        Ok(Asked::Run(parsed))
    }

    /// The value of flag `name` as it was given; `None` where it wasn't.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        self.all_given(name).last()
    }

    /// Every value of flag `name` as it was given, for a flag that may be repeated.
    pub fn all_given(&self, name: &str) -> impl Iterator<Item = &str> {
        let of = self.values.iter().filter(move |(have, _)| *have == name);
        of.flat_map(|(_, values)| values).map(String::as_str)
    }

    /// The value of flag `name`, its default where it wasn't given.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        let default = || {
            self.flags
                .iter()
                .find(|flag| flag.name == name)
                .map_or("", |flag| flag.default)
        };
        self.given(name).unwrap_or_else(default)
    }

    /// Name and value of every flag, for `/api/v1/status/flags`.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        self.flags
            .iter()
            .map(|flag| (flag.name, self.value(flag.name).to_owned()))
    }
}

/// The help text of a program: its `usage` and a line a flag.
#[must_use]
pub fn help(usage: &str, flags: &[Flag]) -> String {
    let mut text = format!("{usage}\n\nFlags:\n");
    for flag in flags {
        let name = format!("--{}={}", flag.name, flag.value);
        let default = match flag.default {
            "" => String::new(),
            default => format!(" (default {default})"),
        };
        text.push_str(&format!("  {name}\n      {}{default}\n", flag.help));
    }
    text.push_str("  --version\n      Print the version and exit.\n  -h, --help\n      Print this help and exit.\n");
    text
}

/// `-name` as `--name`; a dash with a single letter stays.
fn two_dashes(arg: OsString) -> OsString {
    match arg.to_str() {
        Some(text) if text.starts_with('-') && !text.starts_with("--") && text.len() > 2 => {
            format!("-{text}").into()
        }
        _ => arg,
    }
}

/// For tests of what programs make of their command lines.
#[cfg(test)]
pub(crate) mod given {
    use super::*;

    /// The command line `line`, which must be one to run with.
    pub(crate) fn args(flags: &'static [Flag], line: &[&str]) -> Args {
        match Args::parse(flags, line.iter().map(OsString::from)) {
            Ok(Asked::Run(args)) => args,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    /// An environment with these variables alone.
    pub(crate) fn environment(
        variables: &[(&str, &str)],
    ) -> impl Fn(&str) -> Option<String> + use<> {
        let of = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<(String, String)> = variables.iter().map(of).collect();
        move |name| Some(variables.iter().find(|(have, _)| have == name)?.1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag {
            name: "config.file",
            value: "FILE",
            default: "",
            help: "The configuration.",
        },
        Flag {
            name: "log.level",
            value: "LEVEL",
            default: "info",
            help: "The level.",
        },
    ];

    fn parse(args: &[&str]) -> Result<Asked, String> {
        Args::parse(FLAGS, args.iter().map(OsString::from)).map_err(|err| err.to_string())
    }

    fn run(line: &[&str]) -> Args {
        given::args(FLAGS, line)
    }

    #[test]
    fn values_come_with_or_without_an_equals_sign() {
        for line in [
            &["--config.file=x"][..],
            &["--config.file", "x"],
            &["-config.file", "x"],
            &["-config.file=x"],
            &["--config.file=y", "--config.file=x"],
        ] {
            assert_eq!(run(line).given("config.file"), Some("x"), "{line:?}");
        }
    }

    #[test]
    fn a_repeated_flag_has_all_its_values() {
        let args = run(&["--config.file=x", "--log.level=y", "--config.file", "z"]);
        let all: Vec<_> = args.all_given("config.file").collect();
        assert_eq!(all, ["x", "z"]);
        assert_eq!(args.given("config.file"), Some("z"));
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let args = run(&["check-config", "a.yml"]);
        assert_eq!(
            (args.given("log.level"), args.value("log.level")),
            (None, "info")
        );
        assert_eq!(args.words, ["check-config", "a.yml"]);
    }

    #[test]
    fn what_is_unknown_or_incomplete_is_refused() {
        let f = |line: &[&str], want: &str| assert_eq!(parse(line).map(drop), Err(want.to_owned()));
        f(&["--nope=1"], "invalid option '--nope'");
        f(
            &["--config.file"],
            "missing argument for option '--config.file'",
        );
        f(&["-x"], "invalid option '-x'");
    }

    #[test]
    fn help_and_version_win() {
        assert!(matches!(
            parse(&["--log.level=debug", "--version"]),
            Ok(Asked::Version)
        ));
        assert!(matches!(parse(&["-h"]), Ok(Asked::Help)));
    }
}
