"""A candidate that is calibrated anew from the samples of its station; its parent is the bank in use, if any.

Backbone, folds and seed are those of the bank in use, and so is the recipe where nobody drew where to look.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from sqlalchemy import Engine

from calibration.calibrate import calibrate
from calibration.candidates.findings import findings
from calibration.candidates.held import held
from calibration.candidates.making import Making, making
from calibration.candidates.trial import try_it
from calibration.options import Options
from inspector.bank import Bank
from inspector.errors import BankError
from inspector.manifest import is_bank_there
from inspector.progress import Track, silent
from inspector.recipe import Recipe
from inspector.samples.asked import Asked
from inspector.samples.folder import SampleFolder
from inspector.settings import Settings
from inspector.store import Candidate, Candidates


def calibrate_anew(
    settings: Settings,
    engine: Engine,
    station: str,
    asked: Asked,
    *,
    by: str,
    track: Track = silent,
    on_begun: Callable[[], object] = lambda: None,
) -> Candidate:
    """Build a candidate from what lies in the station's folder of samples, and try it.

    on_begun: called when its row is there.

    Raises:
        SamplesError: too few samples, or somebody works on this station already. StoppedError: somebody stopped it.
        BackboneError, BankError, RecipeError, StoreError, UsageError: see there. The candidate's row says so too.
    """
    in_use, unusable = _in_use(settings.station(station).bank)
    said = {"asked": asked.to_json()} | ({"unusable": unusable} if unusable else {})
    with making(settings, engine, station, by=by, base=in_use, track=track, on_begun=on_begun, **said) as made:
        _work(settings, engine, made, asked, in_use)
    return Candidates(engine).get(made.row.id)


def _in_use(place: Path) -> tuple[Bank | None, str | None]:
    """The bank at a place; or None, and where something lies there, why that is no bank."""
    try:
        return Bank.load(place), None
    except BankError as error:
        return None, str(error) if is_bank_there(place) else None


def _work(settings: Settings, engine: Engine, made: Making, asked: Asked, in_use: Bank | None) -> None:
    station = made.row.station
    samples = SampleFolder(settings.data_dir, station, in_use=lambda: in_use.recipe if in_use else None)
    options = replace(
        Options.again(in_use.path, finetune=asked.finetune) if in_use else Options(finetune=asked.finetune),
        recipe=_recipe(samples.recipe(), in_use, larger=asked.larger),
        max_false_reject=asked.max_false_reject,
        exclude_suspects=asked.exclude_suspects,
        replace=True,
        only=frozenset(),
    )
    begun = perf_counter()
    samples.samples()  # what nobody could look at is refused
    with held(samples.good, made.out.parent) as good:
        done = calibrate(good, made.out, options, track=made.told)
        found = findings(done, good, perf_counter() - begun)
    made.told.built(Bank.load(made.out), found=found)
    place = settings.station(station).bank
    try_it(settings, engine, station, made.out, in_use=place if in_use else None, told=made.told)


def _recipe(drawn: Recipe, in_use: Bank | None, *, larger: bool) -> Recipe:
    """With the name of the bank in use where the samples give none: frames may ask for it by name."""
    named = in_use is not None and drawn.name == Recipe().name
    name = in_use.recipe.name if in_use is not None and named else drawn.name
    return drawn.model_copy(update={"name": name, "auto": drawn.auto or larger})
