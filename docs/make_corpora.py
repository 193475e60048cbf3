"""Prints docs/corpora.md: where published corpora are had, from `distribution.yaml`.

After a change there: `.venv/bin/python docs/make_corpora.py > docs/corpora.md`
"""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from spoofscope.corpora.registry import counted_by, is_counted, source_of  # noqa: E402
from spoofscope.distribution import Distribution, distributions  # noqa: E402
from spoofscope.offline import OFFLINE  # noqa: E402

PAGE = """\
# Corpora, and where they are had

`.venv/bin/python docs/make_corpora.py > docs/corpora.md` makes this page from
`src/spoofscope/distribution.yaml`; a test compares the page with it. The readers of corpora are in
[study_file.md](study_file.md), folders and splits in [full_studies.md](full_studies.md).

**Verified** means that two places that do not depend on each other (the publisher, its repository,
a package, somebody who computed it) give the same address and checksum. The table was written
without asking the servers. What is not verified has no checksum here, or one that only one place
gives, or that another contradicts: a program does not fetch it by itself. Sizes with "about" are
rounded. Licences are as the sources say; "-" means that we do not know it. Read the licence before
you use or share the data.

## How the workflow downloads

- `archives: published` in an entry of `corpora` stands for the parts below. It works for
  {fetched}; for all others it is refused, and
  the message says what a person has to do. `archives: published` in `noise.musan` and `noise.rirs`
  does the same for the noise of augmentation.
- `archives` may list addresses of your own, each with a checksum, SHA-256 or MD5, and if you like
  its `size`, `mirrors` and the name of the `file`. Parts of a zip archive (`.z01`, `.z02`, ...,
  `.zip`) or of a 7z archive (`.7z.001`, `.7z.002`, ...) stand in their order.
- `spoofscope needs --configfile STUDY.yaml` says how many gigabytes are missing, and how long
  that takes at 100 Mbit/s. Every run says so before its first job, a dry run included.
- A broken transfer continues where it ended. A server that says when to come back (`Retry-After`)
  is left alone so long. Sizes are checked before and after, then the checksum. A disc without room
  is said before anything is written. Archives that hold links are refused.
- An archive that is whole is never fetched again because spoofscope was updated, or because a run
  was killed: its checksum is compared, and it is unpacked again. With `--no-hooks`, and in a
  module of another workflow without `onstart` ([module.md](module.md)), Snakemake deletes it
  before, and it is fetched; the job's log says so.
- Where `{offline}` is set (`{offline}=1 snakemake ...`), no archive is
  downloaded. The message names the file and its place: `resources/downloads/NAME`, with the name
  that it has at its source. Such a file is checked like a download; it may also be put there when a
  download is too slow. Nor is a backbone: the message names its files, and the folder in the cache
  of the model hub where they belong.
- The target `downloads` fetches and unpacks all archives of a study, `backbones` all models of its
  front-ends, as on a machine with a network before a cluster without one computes.

## Overview

| data | what it is for | size | licence | who fetches it |
|---|---|---|---|---|
"""


BACKBONES = """\
## Backbones

The rule `backbone` fetches encoders from the Hugging Face hub, at the commit that the study file
gives, on the node that runs Snakemake. What arrives is compared with the hashes that the hub gives.
A broken connection continues where it ended; a fetch that was killed begins its file anew. Sizes
are in [full_studies.md](full_studies.md).

| model | revision | in the studies |
|---|---|---|
"""


UNCOUNTED = "none that we could verify, so the audit compares with none"


def anchor(heading: str) -> str:
    """What a link to a heading is called."""
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


def row(one: Distribution) -> str:
    """A line of the overview."""
    who = "you" if one.hindrance or not (one.readers or one.noise) else "the workflow"
    title = f"[{one.title}](#{anchor(one.title)})"
    return f"| {title} | {one.purpose} | {one.size} | {one.licence} | {who} |\n"


def counts_of(reader: str) -> str:
    """Whose numbers of utterances an audit compares with, unless they are the authors' own."""
    if not is_counted(reader):
        return UNCOUNTED
    who = counted_by(reader)
    return f"the audit compares with what {who} counted, not with the authors' own" if who else ""


def section(one: Distribution) -> str:
    """A heading, what there is to say, and a table of parts."""
    lines = [f"## {one.title}\n"]
    sources = [source_of(reader) for reader in one.readers] + [one.obtain]
    names = [*one.readers, *filter(None, [one.read_as])]
    readers = ", ".join(f"`{reader}`" for reader in names)
    facts = {
        "Reader": readers or ("`noise." + one.noise + "`" if one.noise else "`table` or `folder`"),
        "From": "; ".join(filter(None, sources)),
        "Licence": one.licence,
        "Unpacks to": one.unpacks_to,
        "A person has to": one.person,
        "Wrong upstream": one.wrong,
        "Numbers of utterances": one.counts
        or "; ".join(filter(None, map(counts_of, one.readers)))
        or (UNCOUNTED if not one.readers and not one.noise else ""),
    }
    lines += [f"- **{name}:** {text}" for name, text in facts.items() if text]
    lines += ["", "| part | size in bytes | checksum | verified |", "|---|---|---|---|"]
    for part in one.parts:
        name = f"[{part.file}]({part.url})" if part.url else part.file
        for mirror in part.mirrors:
            name += f" ([mirror]({mirror}))"
        size = f"{part.size:,}" if part.size else str(part.amount)
        checksum = f"SHA-256 `{part.sha256}`" if part.sha256 else f"MD5 `{part.md5}`"
        checksum = checksum if part.sha256 or part.md5 else "-"
        lines.append(f"| {name} | {size} | {checksum} | {'yes' if part.verified else 'no'} |")
    return "\n".join(lines) + "\n"


def backbones() -> str:
    """The encoders of the studies, at their pinned revisions."""
    users: dict[tuple[str, str], list[str]] = {}
    for study in sorted((ROOT / "config/studies").glob("*.yaml")):
        for entry in (
            yaml.safe_load(study.read_text(encoding="utf-8")).get("backbones", {}).values()
        ):
            if "hub" in entry:
                users.setdefault((entry["hub"], entry["revision"]), []).append(study.stem)
    lines = [BACKBONES]
    for (hub, revision), studies in sorted(users.items()):
        link = f"[{hub}](https://huggingface.co/{hub}/tree/{revision})"
        names = ", ".join(dict.fromkeys(studies))
        lines.append(f"| {link} | `{revision}` | {names} |\n")
    return "".join(lines)


def page() -> str:
    """The whole page."""
    fetched = [one.title for one in distributions() if one.readers and not one.hindrance]
    *others, last = fetched
    head = PAGE.format(fetched=f"{', '.join(others)} and {last}", offline=OFFLINE)
    overview = "".join(map(row, distributions()))
    sections = "\n".join(map(section, distributions()))
    return f"{head}{overview}\n{sections}\n{backbones()}"


if __name__ == "__main__":
    print(page(), end="")
