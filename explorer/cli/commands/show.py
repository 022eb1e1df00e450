"""``weights show``: what a model's files say."""

import argparse

from explorer.cli import contract, report, report_show
from explorer.cli.asked import exit_code, read_model, say_troubles, source_of
from explorer.cli.contract_show import adapter_json, metadata_json, variants_json
from explorer.hub.names import parse_name
from explorer.inspection.adapter import read_adapter
from explorer.weights.metadata import gather


async def run(options: argparse.Namespace) -> int:
    """``weights show``."""
    async with source_of(options, options.model) as source:
        model = await read_model(source, parse_name(options.model))
        adapter = await read_adapter(source, model)
        variants = [group for group in model.layout.groups if group not in model.reading]
        if options.json:
            contract.emit(
                {
                    **contract.model_json(model, source),
                    "adapter": adapter_json(adapter),
                    "variants": variants_json(variants),
                    **(
                        {"metadata": metadata_json(gather(model.checkpoint))}
                        if options.metadata
                        else {}
                    ),
                }
            )
        else:
            report.print_lines(report.model(model, source, report_show.adapter(adapter)))
            report.print_lines(report_show.variants(variants))
            if options.metadata:
                report.print_lines(report_show.metadata(gather(model.checkpoint)))
    say_troubles(model)
    return exit_code(model)
