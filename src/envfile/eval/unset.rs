//! `unset`.

use super::super::names::{Owner, owner};
use super::super::syntax::{Bytes, is_name, names_in};
use super::commands::Status;
use super::{Evaluator, Value};

impl Evaluator<'_> {
    pub(super) fn unset(&mut self, literals: &[Option<Bytes>]) -> Status {
        let mut status = Some(true);
        for (index, argument) in literals.iter().enumerate() {
            let Some(name) = argument else {
                self.may_stop("`unset` of a name that is only known at run time");
                self.forget_all("`unset` of a name that is only known at run time");
                return None;
            };
            match &name[..] {
                b"-f" if index == 0 => return None, // a function; where there is none, the shells differ
                b"-v" if index == 0 => {}
                _ if name.starts_with(b"-") => {
                    self.may_stop("an option of `unset` that bash and zsh read differently");
                    self.forget_all("an option of `unset` that bash and zsh read differently");
                    return None;
                }
                _ if is_name(name) => self.unset_variable(name),
                _ => {
                    status = None;
                    self.may_stop("`unset` of something that isn't a plain name");
                    for name in names_in(name) {
                        self.forget(&name, "`unset` of something that isn't a plain name");
                    }
                }
            }
        }
        status
    }

    fn unset_variable(&mut self, name: &[u8]) {
        match owner(name) {
            Owner::Reading => self.poison("a variable that changes how the shell reads the file"),
            Owner::Shell => {
                self.may_stop("`unset` of a variable that belongs to the shell");
                self.forget(name, "a variable that belongs to the shell");
                if name == b"path" {
                    self.forget(b"PATH", "zsh changes PATH with `path`");
                }
            }
            Owner::File => {
                let mut variable = self.state.get(name);
                if variable.readonly {
                    self.may_stop("`unset` of a readonly variable");
                    self.forget(name, "`unset` of a readonly variable");
                    return;
                }
                variable.value = Value::Unset;
                variable.exported = Some(false);
                variable.literal = None;
                variable.typed = false;
                variable.declared = false;
                variable.at = self.here;
                self.state.put(name, variable);
            }
        }
    }
}
