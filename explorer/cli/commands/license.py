"""``weights license``: on what terms a model may be used, its lineage considered."""

import argparse

from explorer.cli import contract, report
from explorer.cli.asked import source_of
from explorer.cli.contract_lineage import license_json
from explorer.cli.report_lineage import license_text
from explorer.cli.report_lineage import terms as terms_lines
from explorer.errors import ExplorerError
from explorer.hub.names import parse_name
from explorer.inspection.lineage import Lineage
from explorer.inspection.terms import LicenseText, inherited_terms, license_texts


async def run(options: argparse.Namespace) -> int:
    """``weights license``. A text that cannot be read leaves its error on stderr, and its exit code."""
    texts: tuple[LicenseText, ...] = ()
    failure: ExplorerError | None = None
    async with source_of(options, options.model) as source:
        lineage = Lineage(source)
        kin = await lineage.named(parse_name(options.model).ref)
        tree = await lineage.ancestry(kin)
        try:
            texts = await license_texts(source, tree)
        except ExplorerError as error:
            failure = error
        transfer = source.transfer
    found = inherited_terms(tree)
    if options.json:
        contract.emit(license_json(kin.id, found, texts, transfer))
    else:
        report.print_lines(terms_lines(kin.id, found, texts))
        if options.text:
            for one in texts:
                report.print_lines(license_text(one))
        if lineage.note:
            report.note(lineage.note)
    if failure is not None:
        report.note(f"the license text cannot be read: {failure}")
        return failure.exit_code
    return 0
