"""Nation: the words by which a country is known: "United States", "US", "America", "American" are one for whoever checks
a name.

A text that says "Turkish" has said "Turkey". The table lists for each country its names, short forms and the words for its
people; it is written by hand and holds what news, letters and invoices use, not every state of the world.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

_ROWS: Final = """
united states/us/usa/america/american/americans
united kingdom/uk/great britain/britain/british/briton/britons/england/english/scotland/scottish/wales/welsh
england/english/englishman
scotland/scottish/scots
wales/welsh
ireland/irish
france/french
germany/german/germans/deutschland/deutsch
italy/italian/italians/italia
spain/spanish/spaniard/spaniards
portugal/portuguese
netherlands/dutch/holland
belgium/belgian/belgians
luxembourg/luxembourgish
switzerland/swiss
austria/austrian/austrians
denmark/danish/dane/danes
sweden/swedish/swede/swedes
norway/norwegian/norwegians
finland/finnish/finn/finns
iceland/icelandic
poland/polish/pole/poles
czechia/czech/czechs/czech republic
slovakia/slovak/slovakian
hungary/hungarian/hungarians
romania/romanian/romanians
bulgaria/bulgarian/bulgarians
greece/greek/greeks
turkey/turkish/turk/turks/türkiye
cyprus/cypriot
serbia/serbian/serb/serbs
croatia/croatian/croat
slovenia/slovenian/slovene
bosnia/bosnian
albania/albanian
macedonia/macedonian
ukraine/ukrainian/ukrainians
russia/russian/russians/russian federation
belarus/belarusian
lithuania/lithuanian
latvia/latvian
estonia/estonian
georgia/georgian
armenia/armenian
azerbaijan/azerbaijani
kazakhstan/kazakh
china/chinese/prc
japan/japanese
korea/korean/koreans
taiwan/taiwanese
mongolia/mongolian
vietnam/vietnamese
thailand/thai
cambodia/cambodian
laos/lao/laotian
myanmar/burma/burmese
malaysia/malaysian/malaysians
singapore/singaporean
indonesia/indonesian/indonesians
philippines/philippine/filipino/filipinos
india/indian/indians
pakistan/pakistani/pakistanis
bangladesh/bangladeshi
sri lanka/lankan
nepal/nepalese/nepali
afghanistan/afghan/afghans
iran/iranian/iranians
iraq/iraqi/iraqis
syria/syrian/syrians
lebanon/lebanese
israel/israeli/israelis
palestine/palestinian/palestinians
jordan/jordanian
saudi arabia/saudi/saudis
united arab emirates/uae/emirati
qatar/qatari
kuwait/kuwaiti
yemen/yemeni
egypt/egyptian/egyptians
libya/libyan
tunisia/tunisian
algeria/algerian
morocco/moroccan
sudan/sudanese
ethiopia/ethiopian
somalia/somali/somalis
kenya/kenyan
uganda/ugandan
tanzania/tanzanian
rwanda/rwandan
nigeria/nigerian/nigerians
ghana/ghanaian
senegal/senegalese
congo/congolese
angola/angolan
zimbabwe/zimbabwean
south africa/south african
canada/canadian/canadians
mexico/mexican/mexicans
guatemala/guatemalan
honduras/honduran
el salvador/salvadoran
nicaragua/nicaraguan
costa rica/costa rican
panama/panamanian
cuba/cuban/cubans
jamaica/jamaican
haiti/haitian
puerto rico/puerto rican
colombia/colombian
venezuela/venezuelan
ecuador/ecuadorian
peru/peruvian
bolivia/bolivian
brazil/brazilian/brazilians
chile/chilean
argentina/argentine/argentinian
uruguay/uruguayan
paraguay/paraguayan
australia/australian/australians
new zealand/zealander
europe/european/europeans
european union/eu
africa/african/africans
asia/asian/asians
united nations/un
"""

MIN_ANY_CASE = 4
"""Short forms ("US", "UN", "EU") count in capitals only: in small letters they are other words."""


@cache
def _groups() -> tuple[tuple[tuple[str, ...], ...], ...]:
    """For each row its aliases, each as its words."""
    return tuple(tuple(tuple(alias.split()) for alias in row.split("/")) for row in _ROWS.strip().splitlines())


def alias_words(words: Iterable[str]) -> frozenset[str]:
    """The words of all aliases of each country that `words` (those of a text, as written) name, in small letters.

    >>> sorted(alias_words(["The", "U.S.", "economy"]))
    ['america', 'american', 'americans', 'states', 'united', 'us', 'usa']
    """
    found: set[str] = set()
    for word in words:
        plain = word.replace(".", "").removesuffix("'s").removesuffix("’s")
        if len(plain) >= MIN_ANY_CASE:
            found.add(plain.casefold())
        elif plain.isupper():
            found.add(plain.lower())
    named = (row for row in _groups() if any(all(word in found for word in alias) for alias in row))
    return frozenset(word for row in named for alias in row for word in alias)
