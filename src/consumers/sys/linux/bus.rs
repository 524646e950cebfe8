//! The user's systemd, over D-Bus.
//!
//! Interfaces: org.freedesktop.systemd1(5). One connection of a short-lived worker; every call is bounded,
//! since a bus or a manager that hangs would hang it too.

use std::future::Future;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Runtime;
use zbus::zvariant::DynamicType;
use zbus::{Connection, Fd, Message, ObjectPath, OwnedObjectPath, OwnedVariant, Structure, Variant};

const MANAGER: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
/// For one call: they take milliseconds.
const CALL: Duration = Duration::from_secs(10);
/// Between two looks at a job under way.
const LOOK: Duration = Duration::from_millis(20);

/// A connection to the user's systemd.
pub struct Bus {
    runtime: Runtime,
    connection: Connection,
}

/// What a transient unit is to be.
pub struct Unit<'a> {
    /// `credd-litellm-1.service`.
    pub name: &'a str,
    /// For people.
    pub description: &'a str,
    /// Absolute path of the program and its arguments (its own name first).
    pub exec: (&'a str, &'a [&'a str]),
    /// Standard input, output and error.
    pub stdio: [&'a dyn AsFd; 3],
    /// From SIGTERM to SIGKILL, when the unit is stopped.
    pub stop_timeout: Duration,
}

impl Bus {
    /// Connects. The error says that the user's systemd can't be reached, and why.
    pub fn connect() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let connection = runtime
            .block_on(bounded(Connection::session()))
            .map_err(|error| format!("the user's systemd can't be reached over D-Bus ({error})"))?;
        Ok(Self { runtime, connection })
    }

    /// Main process of a unit; an error where there is none.
    pub fn main_pid(&self, unit: &str) -> Result<i32, String> {
        let path = self.unit(unit)?;
        let value = self.get(&path, "org.freedesktop.systemd1.Service", "MainPID")?;
        let pid = u32::try_from(value).ok().and_then(|pid| i32::try_from(pid).ok());
        pid.filter(|pid| *pid > 0).ok_or_else(|| format!("{unit} has no main process"))
    }

    /// Whether a unit of this name is loaded.
    pub fn is_loaded(&self, unit: &str) -> bool {
        self.unit(unit).is_ok()
    }

    /// A name for a new unit: `STEM-1.service`, or the next one that isn't loaded.
    pub fn free_name(&self, stem: &str) -> Result<String, String> {
        let mut names = (1..=9999).map(|number| format!("{stem}-{number}.service"));
        names.find(|name| !self.is_loaded(name)).ok_or_else(|| "there are too many units".to_owned())
    }

    /// Starts a transient service and waits until its program was executed; its main process.
    pub fn start(&self, unit: &Unit<'_>) -> Result<i32, String> {
        self.start_transient(unit, vec![("CollectMode", "inactive-or-failed".into())])?;
        self.main_pid(unit.name)
    }

    /// Starts a command as a transient unit, which is there until [`Bus::forget`]. What the command starts in the
    /// background is let live on (`KillMode=process`), in the unit's control group; while that isn't empty,
    /// systemd remembers the unit's name.
    pub fn start_command(&self, unit: &Unit<'_>) -> Result<(), String> {
        self.start_transient(unit, vec![("RemainAfterExit", true.into()), ("KillMode", "process".into())])
    }

    /// How the main process of a command's unit ended: its code (`CLD_EXITED` is 1, waitid(2)) and its status;
    /// `None` while it runs.
    pub fn command_end(&self, unit: &str) -> Result<Option<(i32, i32)>, String> {
        let path = self.unit(unit)?;
        let state: String = self.property(&path, "org.freedesktop.systemd1.Unit", "SubState")?;
        if !matches!(state.as_str(), "exited" | "failed" | "dead") {
            return Ok(None);
        }
        let number = |name| self.property(&path, "org.freedesktop.systemd1.Service", name);
        Ok(Some((number("ExecMainCode")?, number("ExecMainStatus")?)))
    }

    /// Has systemd forget a command's unit.
    pub fn forget(&self, unit: &str) {
        if let Ok(job) = self.manager("StopUnit", &(unit, "replace").into()) {
            let _ = self.wait_for(&job, CALL);
        }
        let _ = self.call("ResetFailedUnit", &Structure::from((unit,)));
    }

    fn start_transient(&self, unit: &Unit<'_>, more: Vec<(&str, Variant<'_>)>) -> Result<(), String> {
        let (program, arguments) = unit.exec;
        let exec = vec![(program.to_owned(), arguments.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), false)];
        let [input, output, errors] = unit.stdio;
        let fd = |fd: &dyn AsFd| fd.as_fd().try_clone_to_owned().map(|fd| Variant::from(Fd::from(fd)));
        let fd = |of| fd(of).map_err(|error| error.to_string());
        let micros = u64::try_from(unit.stop_timeout.as_micros()).unwrap_or(u64::MAX);
        let mut properties: Vec<(&str, Variant<'_>)> = vec![
            ("Description", unit.description.into()),
            ("Type", "exec".into()),
            ("ExecStart", exec.into()),
            ("StandardInputFileDescriptor", fd(input)?),
            ("StandardOutputFileDescriptor", fd(output)?),
            ("StandardErrorFileDescriptor", fd(errors)?),
            ("Slice", "app.slice".into()),
            ("TimeoutStopUSec", micros.into()),
        ];
        properties.extend(more);
        let auxiliary: Vec<(&str, Vec<(&str, Variant<'_>)>)> = Vec::new();
        let job = self.manager("StartTransientUnit", &(unit.name, "fail", properties, auxiliary).into())?;
        self.wait_for(&job, CALL)
    }

    /// Restarts a unit and waits for that, no longer than told; its main process.
    pub fn restart(&self, unit: &str, patience: Duration) -> Result<i32, String> {
        // A unit that failed too often isn't started any more; this counts anew.
        let _ = self.call("ResetFailedUnit", &Structure::from((unit,)));
        let job = self.manager("RestartUnit", &(unit, "replace").into())?;
        self.wait_for(&job, patience)?;
        self.main_pid(unit)
    }

    /// Has systemd read its files again, with whatever else was changed in them.
    pub fn reload(&self) -> Result<(), String> {
        self.call("Reload", &()).map(drop)
    }

    /// The full name of a unit that may be named by an alias.
    pub fn full_name(&self, unit: &str) -> Result<String, String> {
        let path = self.unit(unit)?;
        self.property(&path, "org.freedesktop.systemd1.Unit", "Id")
    }

    /// What the manager and then the unit itself put into the environment of its processes:
    /// `NAME=value`. (`Environment=`; a property that every process of the user can read.)
    pub fn environment(&self, unit: &str) -> Result<Vec<String>, String> {
        let mut all: Vec<String> = self.property(&manager()?, MANAGER_INTERFACE, "Environment")?;
        let path = self.unit(unit)?;
        all.append(&mut self.property(&path, "org.freedesktop.systemd1.Service", "Environment")?);
        Ok(all)
    }

    /// The files that a unit takes variables from, in their order (`EnvironmentFile=`).
    pub fn environment_files(&self, unit: &str) -> Result<Vec<PathBuf>, String> {
        let path = self.unit(unit)?;
        let files: Vec<(String, bool)> = self.property(&path, "org.freedesktop.systemd1.Service", "EnvironmentFiles")?;
        Ok(files.into_iter().map(|(path, _)| path.into()).collect())
    }

    /// Waits until a job is done: then its object is gone.
    fn wait_for(&self, job: &ObjectPath<'_>, patience: Duration) -> Result<(), String> {
        let end = crate::clock::monotonic() + patience;
        while self.get(job, "org.freedesktop.systemd1.Job", "State").is_ok() {
            if crate::clock::monotonic() >= end {
                return Err(format!("systemd was not done after {} s", patience.as_secs()));
            }
            self.runtime.block_on(async { tokio::time::sleep(LOOK).await });
        }
        Ok(())
    }

    fn unit(&self, name: &str) -> Result<OwnedObjectPath, String> {
        self.manager("GetUnit", &(name,).into())
    }

    /// What the manager answers to a call with these arguments.
    fn manager(&self, method: &str, arguments: &Structure<'_>) -> Result<OwnedObjectPath, String> {
        self.call(method, arguments)?.body().deserialize().map_err(|error| error.to_string())
    }

    fn call<B>(&self, method: &str, arguments: &B) -> Result<Message, String>
    where
        B: serde::Serialize + DynamicType,
    {
        self.send(&manager()?, MANAGER_INTERFACE, method, arguments)
    }

    fn property<T>(&self, path: &ObjectPath<'_>, interface: &str, name: &str) -> Result<T, String>
    where
        T: TryFrom<OwnedVariant, Error: std::fmt::Display>,
    {
        T::try_from(self.get(path, interface, name)?).map_err(|error| error.to_string())
    }

    fn get(&self, path: &ObjectPath<'_>, interface: &str, property: &str) -> Result<OwnedVariant, String> {
        let arguments = Structure::from((interface, property));
        let reply = self.send(path, "org.freedesktop.DBus.Properties", "Get", &arguments)?;
        reply.body().deserialize().map_err(|error| error.to_string())
    }

    /// All of zbus that carries a call is built for each type of `arguments`: they are a [`Structure`], where there are any.
    fn send<B>(&self, path: &ObjectPath<'_>, interface: &str, method: &str, arguments: &B) -> Result<Message, String>
    where
        B: serde::Serialize + DynamicType,
    {
        let call = self.connection.call_method(Some(MANAGER), path, Some(interface), method, arguments);
        self.runtime.block_on(bounded(call))
    }
}

fn manager() -> Result<ObjectPath<'static>, String> {
    ObjectPath::try_from(MANAGER_PATH).map_err(|error| error.to_string())
}

async fn bounded<T>(call: impl Future<Output = zbus::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(CALL, call).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer in {} s", CALL.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(arguments: &(impl serde::Serialize + DynamicType)) -> (String, Vec<u8>) {
        let call = Message::method_call(MANAGER_PATH, "StartTransientUnit").build(arguments).unwrap();
        (call.header().signature().to_string_no_parens(), call.body().data().bytes().to_vec())
    }

    #[test]
    fn a_structure_goes_over_the_bus_as_its_fields_do() {
        let properties = || -> Vec<(&str, Variant<'_>)> {
            let exec = vec![("/bin/sh".to_owned(), vec!["sh".to_owned(), "-c".to_owned()], false)];
            vec![("ExecStart", exec.into()), ("TimeoutStopUSec", 77_u64.into()), ("RemainAfterExit", true.into())]
        };
        let auxiliary = || -> Vec<(&str, Vec<(&str, Variant<'_>)>)> { Vec::new() };
        let fields = ("a.service", "fail", properties(), auxiliary());
        let (signature, bytes) = sent(&fields);
        assert_eq!(signature, "ssa(sv)a(sa(sv))");
        assert_eq!(sent(&Structure::from(("a.service", "fail", properties(), auxiliary()))), (signature, bytes));
        assert_eq!(sent(&Structure::from(("a.service",))), sent(&"a.service"));
    }
}
