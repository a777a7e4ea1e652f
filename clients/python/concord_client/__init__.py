"""A client of Concord. `concord_client.participant` takes part in its transactions."""

from .client import Client
from .failures import ConcordError
from .reasons import ADVICE, Advice

__all__ = ["ADVICE", "Advice", "Client", "ConcordError"]
