"""Value types that several kinds share: digests, numbers or percentages."""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from gharial_api.base import cel, rules

Sha256 = Annotated[
    str,
    Field(
        max_length=256,
        json_schema_extra=rules(
            cel(
                "self.matches('^[0-9a-f]{64}$')",
                "must be 64 lower-case hex digits; make it with: sha256sum FILE",
            )
        ),
    ),
]

IntOrPercent = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            **rules(
                cel(
                    "type(self) == int ? self >= 0 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",
                    'must be a number of 0 or more, such as 1, or a percentage from "0%" to "100%", such as "25%"',
                )
            ),
            "maxLength": 16,
        }
    ),
]
