//! The tools that the tests need. On Debian, as root, they are installed; elsewhere missing ones are listed.

use crate::command::{output, program, run as run_program};
use std::{env, fs, path::Path};

/// A required tool.
struct Need {
    what: &'static str,
    for_what: &'static str,
    /// Its Debian packages.
    packages: &'static [&'static str],
    present: fn() -> bool,
    /// Only the browser journeys need it.
    browser: bool,
    /// Only root on Linux can use it: it needs to mount file systems and create networks.
    root: bool,
}

const NEEDS: [Need; 13] = [
    Need {
        what: "a PostgreSQL server (`postgres` on the PATH or below /usr/lib/postgresql)",
        for_what: "the store's conformance suite",
        packages: &["postgresql"],
        present: postgres,
        browser: false,
        root: false,
    },
    Need {
        what: "a MariaDB server (`mariadbd`, `mariadb-install-db` and the clients)",
        for_what: "the tests of the host's database",
        packages: &["mariadb-server", "mariadb-client"],
        present: || ["mariadbd", "mariadb-install-db", "mariadb", "mariadb-admin"].iter().all(|name| on_path(name)),
        browser: false,
        root: false,
    },
    Need {
        what: "Node.js",
        for_what: "the tests of the web client",
        packages: &["nodejs"],
        present: || on_path("node"),
        browser: false,
        root: false,
    },
    Need {
        what: "npm",
        for_what: "the tests of the web client",
        packages: &["npm"],
        present: || on_path("npm"),
        browser: false,
        root: false,
    },
    Need {
        what: "exiftool",
        for_what: "the tests of what pictures and films still tell",
        packages: &["libimage-exiftool-perl"],
        present: || on_path("exiftool"),
        browser: false,
        root: false,
    },
    Need {
        what: "Chromium",
        for_what: "the browser journeys; `cargo xtask test --fast` leaves them out",
        packages: &["chromium"],
        present: || on_path("chromium"),
        browser: true,
        root: false,
    },
    Need {
        what: "Firefox (`firefox-esr` or `firefox`)",
        for_what: "the browser journeys that look at what is drawn",
        packages: &["firefox-esr"],
        present: || on_path("firefox-esr") || on_path("firefox"),
        browser: true,
        root: false,
    },
    Need {
        what: "Noto Color Emoji",
        for_what: "the browser journeys",
        packages: &["fonts-noto-color-emoji"],
        present: || !cfg!(target_os = "linux") || font("NotoColorEmoji"),
        browser: true,
        root: false,
    },
    Need {
        what: "mkfs.ext4, mount and losetup",
        for_what: "the power cut",
        packages: &["e2fsprogs", "mount", "util-linux"],
        present: || ["mkfs.ext4", "mount", "losetup"].iter().all(|name| on_path(name)),
        browser: false,
        root: true,
    },
    Need {
        what: "ip",
        for_what: "the lost network",
        packages: &["iproute2"],
        present: || on_path("ip"),
        browser: false,
        root: true,
    },
    Need {
        what: "Python 3 with venv and pip",
        for_what: "the conformance suite of the socket, and the example sites",
        packages: &["python3", "python3-venv", "python3-pip"],
        present: || output(&mut program("python3", &["-c", "import ensurepip, venv"], Path::new("/"))).is_ok(),
        browser: false,
        root: false,
    },
    Need {
        what: "redis-server",
        for_what: "the tests of the bridge to channel layers",
        packages: &["redis-server"],
        present: || on_path("redis-server"),
        browser: false,
        root: false,
    },
    Need {
        what: "nginx",
        for_what: "the journeys through the example sites",
        packages: &["nginx-light"],
        present: || on_path("nginx"),
        browser: true,
        root: false,
    },
];

pub(crate) fn run(root: &Path, browser: bool) -> Result<(), String> {
    let superuser = output(&mut program("id", &["-u"], root))?.trim() == "0";
    let missing = missing(browser, superuser);
    if !missing.is_empty() {
        if superuser && Path::new("/etc/debian_version").exists() && on_path("apt-get") {
            install(&missing, root)?;
        } else {
            return Err(explain(&missing));
        }
    }
    if superuser && output(&mut program("id", &["-u", "postgres"], root)).is_err() {
        return Err("PostgreSQL does not run as root: a user `postgres` must exist for the tests to start it as. \
                    Debian's package postgresql makes it."
            .to_owned());
    }
    node_is_new_enough(root)?;
    println!("everything that the tests need is installed");
    Ok(())
}

fn missing(browser: bool, superuser: bool) -> Vec<&'static Need> {
    let root = superuser && cfg!(target_os = "linux");
    let wanted = |need: &&Need| (browser || !need.browser) && (root || !need.root);
    NEEDS.iter().filter(wanted).filter(|need| !(need.present)()).collect()
}

fn install(missing: &[&'static Need], root: &Path) -> Result<(), String> {
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    println!("installing {}", packages.join(", "));
    let apt = |arguments: &[&str]| {
        // Another apt-get may be running; this waits for it.
        let arguments = [&["-o", "DPkg::Lock::Timeout=300"], arguments].concat();
        let mut apt = program("apt-get", &arguments, root);
        run_program(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--quiet", "--yes", "--no-install-recommends"], packages.as_slice()].concat())?;
    let still: Vec<_> = missing.iter().copied().filter(|need| !(need.present)()).collect();
    if still.is_empty() { Ok(()) } else { Err(explain(&still)) }
}

fn explain(missing: &[&Need]) -> String {
    let lines = missing.iter().map(|need| {
        format!(
            "missing: {}\n  for {}\n  Debian: apt-get install {}",
            need.what,
            need.for_what,
            need.packages.join(" ")
        )
    });
    let lines: Vec<_> = lines.collect();
    format!("{}\nOn Debian, as root, `cargo xtask test` installs all of this by itself.", lines.join("\n"))
}

fn node_is_new_enough(root: &Path) -> Result<(), String> {
    let package =
        fs::read_to_string(root.join("web/package.json")).map_err(|error| format!("web/package.json: {error}"))?;
    let package: serde_json::Value =
        serde_json::from_str(&package).map_err(|error| format!("web/package.json: {error}"))?;
    let least = package["engines"]["node"].as_str().and_then(|range| range.strip_prefix(">="));
    let least = least.and_then(major).ok_or("web/package.json: engines.node should read >= and a number")?;
    let version = output(&mut program("node", &["--version"], root))?;
    match major(version.trim().trim_start_matches('v')) {
        Some(found) if found >= least => Ok(()),
        _ => Err(format!("Node.js {least} or newer is needed; here is {}", version.trim())),
    }
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

pub(crate) fn on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(Into::into);
    env::split_paths(&path).chain(system).any(|folder| folder.join(name).is_file())
}

fn postgres() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    on_path("postgres") || versions.map(|version| version.path().join("bin/postgres")).any(|server| server.is_file())
}

fn font(name: &str) -> bool {
    let fonts = output(&mut program("fc-list", &[], Path::new("/")));
    let file = || Path::new("/usr/share/fonts/truetype/noto").join(format!("{name}.ttf")).is_file();
    fonts.is_ok_and(|list| list.contains(name)) || file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tools_are_listed_with_their_reason_and_package() {
        let text = explain(&[&NEEDS[0], &NEEDS[5]]);
        for part in ["PostgreSQL", "conformance", "apt-get install postgresql\n", "Chromium", "--fast"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_major_version_is_read() {
        assert_eq!((major("20.20.2"), major("18"), major("x")), (Some(20), Some(18), None));
    }
}
