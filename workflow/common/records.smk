# Results that were copied or cloned without Snakemake's records get them back from their sidecars.
from spoofscope.records import restore_records, sidecars_below

if workflow.is_main_process:
    DATA = Path(STUDY.data_root)
    restore_records(
        [
            *sidecars_below(Path(STUDY.root), skipped=("augmented", "work")),
            # Not walked: unpacked corpora can have millions of files.
            *(DATA / "downloads").glob("*.origin.json"),
            *(DATA / "unpacked").glob("*.origin.json"),
            *(DATA / "mini").glob("*/*.origin.json"),
            *(DATA / "tts").glob("*/*.origin.json"),
            *(DATA / "mini_noise").glob("*/*.origin.json"),
            *(DATA / "backbones").glob("*/*.origin.json"),
        ]
    )
