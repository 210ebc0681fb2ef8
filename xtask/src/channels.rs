//! Installs Django's channels and channels-redis into `target/channels`, where the tests of the bridge find them.

use crate::command::{program, run as run_program};
use std::{fs, path::Path};

/// What the golden vectors were made with. channels-redis 4.3.0 does not work with redis-py 8.
const PACKAGES: [&str; 4] = ["channels==4.3.1", "channels-redis==4.3.0", "redis<8", "cryptography"];

/// Installs the packages into a virtual environment, unless they are installed.
pub(crate) fn install(root: &Path, target: &Path) -> Result<(), String> {
    let folder = target.join("channels");
    let stamp = folder.join("installed");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("channels and channels-redis are installed");
        return Ok(());
    }
    let name = folder.to_str().ok_or("the target directory has a name that is not UTF-8")?;
    run_program(&mut program("python3", &["-m", "venv", name], root))?;
    let pip = [&["install", "--quiet", "--disable-pip-version-check"], PACKAGES.as_slice()].concat();
    run_program(&mut program(folder.join("bin/pip"), &pip, root))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}
