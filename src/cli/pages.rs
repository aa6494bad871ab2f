//! What shells and `man` want to know of the command line, made from the command line itself.

use super::{Cli, Completions, End, Man};
use anyhow::Context;
use clap::CommandFactory;
use std::path::Path;

const NAME: &str = "cliprelay";

pub(super) fn completions(asked: &Completions) {
    let mut script = Vec::new();
    clap_complete::generate(asked.shell, &mut Cli::command(), NAME, &mut script);
    out!("{}", String::from_utf8_lossy(&script).trim_end());
}

/// One page to standard output, or all pages into a folder.
pub(super) fn man(asked: &Man) -> Result<(), End> {
    if let Some(folder) = &asked.out {
        return Ok(all(folder)?);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).context("the page could not be made")?;
    out!("{}", String::from_utf8_lossy(&page).trim_end());
    Ok(())
}

fn all(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot use the folder {}", folder.display()))?;
    let command = Cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, folder).with_context(|| format!("cannot write into {}", folder.display()))?;
    let pages = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let names = pages.filter_map(|page| Some(page.ok()?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<_> = names.filter(|name| name.starts_with(NAME)).collect();
    names.sort();
    for name in names {
        out!("{}", folder.join(name).display());
    }
    Ok(())
}
