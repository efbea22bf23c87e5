"""Runs all tests on all cores, or some of them on each backend.

    python tests/run.py            all, in jobs, the longest first
    python tests/run.py --record   the same, and notes how long they took
    python tests/run.py ARGUMENTS  pytest with these, on each backend

A job is a backend and some neighbouring files. How long a file takes stands
in `seconds.json`; one that is missing there counts as long. Some jobs run
without a library that other jobs need. A run ends with a table of seconds
per folder and backend, and fails where a system takes more than its share.
"""

import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
RECORD = TESTS / "seconds.json"
BACKENDS = ("jax", "tensorflow", "torch")
# What a user without one of the libraries does, from data to a prediction.
WITHOUT = (("jax", "tensorflow"), ("jax", "torch"), ("torch", "tensorflow"))
WHOLE_WAY = "tests/test_whole_way.py"
# Expected seconds of a job, above which its files are split into two.
LONG = 200
# Expected seconds of a file that has never been timed.
UNKNOWN = 60
# Seconds that the tests of a system may take on one backend. The budget is
# 40 minutes on 2 cores for 16 systems on 3 backends: 100 s each, if nothing
# else were tested. Machines differ by a factor of three.
SHARE = 300


@dataclasses.dataclass
class Job:
    backend: str
    paths: list
    expected: float
    without: str = ""

    @property
    def name(self):
        lacking = f" without {self.without}" if self.without else ""
        first, last = (
            path.removeprefix("tests/")
            for path in (self.paths[0], self.paths[-1])
        )
        files = first if first == last else f"{first} to {last}"
        return f"{self.backend}{lacking}: {files}"


@dataclasses.dataclass
class Result:
    code: int
    output: str
    wall: float
    # Seconds by file and name of the test.
    seconds: dict
    counts: collections.Counter

    @property
    def failed(self):
        # 5 says that every test of the job is left to another backend.
        return self.code not in (0, 5)


def main(arguments):
    if arguments in ([], ["--record"]):
        return run_all(bool(arguments))
    jobs = [Job(backend, arguments, 0) for backend in BACKENDS]
    results = run_jobs(jobs, loud=True)
    return int(any(result.failed for _, result in results))


def run_all(record):
    start = time.monotonic()
    os.chdir(ROOT)
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    jobs = plan(test_files(), recorded)
    results = run_jobs(jobs)
    print(table(results))
    print(f"Wall-clock: {time.monotonic() - start:.0f} s")
    print(total(results), flush=True)
    excess = over_share(results)
    if excess:
        print("\n".join(excess), flush=True)
    failed = any(result.failed for _, result in results)
    if record and not failed:
        RECORD.write_text(json.dumps(by_file(results), indent=1) + "\n")
    return int(failed or bool(excess))


def test_files():
    """Paths of all test modules, relative to the project."""
    paths = sorted(TESTS.rglob("test_*.py"))
    return [path.relative_to(ROOT).as_posix() for path in paths]


def plan(files, recorded):
    """The jobs of a whole run, the longest first."""
    jobs = [
        Job(backend, [WHOLE_WAY], UNKNOWN, without)
        for backend, without in WITHOUT
    ]
    for backend in BACKENDS:
        known = recorded.get(backend, {})
        latest = Job(backend, [], 0)
        for file in files:
            expected = known.get(file, UNKNOWN)
            if latest.paths and latest.expected + expected > LONG:
                jobs.append(latest)
                latest = Job(backend, [], 0)
            latest.paths.append(file)
            latest.expected += expected
        jobs.append(latest)
    return sorted(jobs, key=lambda job: -job.expected)


def run_jobs(jobs, loud=False):
    """Pairs of jobs and results; says how each ended, and what failed."""
    workers = os.cpu_count() or 1
    print(f"{len(jobs)} jobs, {workers} at a time", flush=True)
    pairs = []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(run_job, job): job for job in jobs}
        for done in concurrent.futures.as_completed(running):
            job, result = running[done], done.result()
            pairs.append((job, result))
            if result.failed or loud:
                print(f"\n{result.output}")
            counts = ", ".join(f"{n} {key}" for key, n in result.counts.items())
            print(
                f"{'FAILED' if result.failed else 'passed'}  {job.name}: "
                f"{counts or 'nothing to run'} in {result.wall:.0f} s",
                flush=True,
            )
    return pairs


def run_job(job):
    """Runs one job and reads what it reports."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.xml")
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                f"--junitxml={report}",
                *job.paths,
            ],
            env={**os.environ, **environment(job)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        seconds, counts = read_report(report)
    wall = time.monotonic() - start
    return Result(process.returncode, process.stdout, wall, seconds, counts)


def environment(job):
    """What the process of a job finds in its environment."""
    return {
        "KERAS_BACKEND": job.backend,
        "KERAS_SKELETON_WITHOUT": job.without,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # One core each.
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        # What JAX compiles for a test runs once or twice: simple code, made
        # in a third of the time.
        "XLA_FLAGS": "--xla_backend_optimization_level=0"
        " --xla_cpu_use_fusion_emitters=false",
    }


def read_report(path):
    """Seconds by file and test, and how many tests ended how."""
    seconds, counts = {}, collections.Counter()
    if not path.exists():
        return seconds, counts
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        # A module that cannot be imported is a case without a class.
        name = case.get("name", "")
        file = (case.get("classname") or name).replace(".", "/") + ".py"
        seconds[file, name] = float(case.get("time", 0))
        ends = {child.tag for child in case}
        failed = ends & {"failure", "error"}
        skipped = "skipped" in ends
        counts["failed" if failed else "skipped" if skipped else "passed"] += 1
    return seconds, counts


def by_file(jobs_and_results):
    """Seconds by backend and file; 0 for what a backend leaves to another."""
    sums = {backend: collections.Counter() for backend in BACKENDS}
    for job, result in jobs_and_results:
        if job.without:
            continue
        for path in job.paths:
            sums[job.backend][path] += 0
        for (file, _), seconds in result.seconds.items():
            sums[job.backend][file] += seconds
    return {
        backend: {file: round(x, 1) for file, x in sorted(files.items())}
        for backend, files in sums.items()
    }


def table(jobs_and_results):
    """Seconds by folder and backend, in lines."""
    rows = collections.defaultdict(collections.Counter)
    for job, result in jobs_and_results:
        spent = 0
        for (file, _), seconds in result.seconds.items():
            folder = file.removeprefix("tests/").rpartition("/")[0] or "."
            rows[folder][job.backend] += seconds
            spent += seconds
        rows["starting"][job.backend] += result.wall - spent
    starting = rows.pop("starting")
    rows = {**dict(sorted(rows.items())), "starting": starting}
    rows["all"] = sum(rows.values(), collections.Counter())
    lines = [f"{'seconds':<24}" + "".join(f"{x:>12}" for x in BACKENDS)]
    for folder, row in rows.items():
        cells = "".join(f"{row[backend]:>12.0f}" for backend in BACKENDS)
        lines.append(f"{folder:<24}{cells}")
    return "\n".join(lines)


def total(jobs_and_results):
    """How all tests ended, in a line."""
    counts = collections.Counter()
    for _, result in jobs_and_results:
        counts.update(result.counts)
    ends = ("passed", "failed", "skipped")
    return ", ".join(f"{counts[end]} {end}" for end in ends)


def over_share(jobs_and_results):
    """Lines about systems whose tests take more than their share."""
    systems = {
        path.stem.removeprefix("test_parity_")
        for path in TESTS.glob("applications/test_parity_*.py")
    }
    sums = collections.Counter()
    for job, result in jobs_and_results:
        for (file, name), seconds in result.seconds.items():
            system = system_of(file, name, systems)
            if system is not None:
                sums[system, job.backend] += seconds
    return [
        f"FAILED  the tests of {system} on {backend} take {seconds:.0f} s; "
        f"a system has {SHARE} s on each backend"
        for (system, backend), seconds in sums.items()
        if seconds > SHARE
    ]


def system_of(file, name, systems):
    """The system that a test of an application is about, or None."""
    if not file.startswith("tests/applications/"):
        return None
    module = pathlib.PurePosixPath(file).stem.removeprefix("test_")
    system = module.removeprefix("parity_")
    if system in systems:
        return system
    # In tests of all systems, the first parameter is the system.
    parameter = name.partition("[")[2].rstrip("]").partition("-")[0]
    return parameter if parameter in systems else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
