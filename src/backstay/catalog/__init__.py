"""The model catalogue: limits, abilities and prices as dated data; see `catalog.py` for the look-up, `price.py` for the money."""

from backstay.catalog.catalog import Catalog
from backstay.catalog.model import Model, Period, Rate, Rates
from backstay.catalog.price import estimate, price

__all__ = ["Catalog", "Model", "Period", "Rate", "Rates", "estimate", "price"]
