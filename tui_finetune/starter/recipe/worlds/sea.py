"""The world of the sea: captains, keepers and fishers, told in the voice of an old sailor."""

from __future__ import annotations

from ..grammar import Plot, World, rules, table

_TABLES = {
    "sailors": table(
        "name he him his",
        """
        Captain Brannoch / he / him / his
        Captain Isolde / she / her / her
        Captain Varga / she / her / her
        Captain Thorne / he / him / his
        Skipper Maren / she / her / her
        Skipper Torvald / he / him / his
        Skipper Ysolt / she / her / her
        Skipper Quill / he / him / his
        Keeper Solveig / she / her / her
        Keeper Marrow / he / him / his
        Keeper Ingrid / she / her / her
        Keeper Fenwick / he / him / his
        Old Finnegan / he / him / his
        Old Morwenna / she / her / her
        Old Barnabas / he / him / his
        Old Gudrun / she / her / her
        """,
    ),
    "harbours": table(
        "name spots",
        """
        Saltmouth / off the long mole; below the chalk cliffs
        Gull Haven / off the crooked pier; below the watchtower
        Kelpie Cove / off the seal rocks; below the chapel on the headland
        Anchor Bay / off the sunken wharf; below the red cliffs
        Herring Point / off the gravel spit; below the old battery
        Stormhaven / off the iron jetty; below the whale-bone arch
        """,
    ),
    "ships": table(
        "name kind",
        """
        the Grey Gull / schooner
        the Merry Mermaid / brig
        the Northern Star / cutter
        the Silver Herring / ketch
        the Black Petrel / sloop
        the Wandering Albatross / barque
        """,
    ),
    "winds": table(
        "name",
        """
        a gale from the north
        a black squall
        a howling nor'wester
        a storm with teeth
        a tempest out of the west
        """,
    ),
    "fuels": table("name", "whale oil\ntar barrels\nlamp wicks\ndriftwood\npitch and tallow"),
    "treasures": table(
        "a name",
        """
        a chest of doubloons / chest
        a crown of coral / crown
        a golden sextant / sextant
        a casket of black pearls / casket
        a silver ship's bell / bell
        """,
    ),
    "catches": table("name", "herring\nmackerel\ncod\nhalibut\noysters\nlobsters"),
    "beasts": table(
        "a name",
        """
        an old seal / seal
        a white whale / whale
        a one-eyed gull / gull
        a lonely dolphin / dolphin
        """,
    ),
    "kin": table("name", "sweetheart\ntwin brother\nmother\nold shipmate\ndaughter"),
    "lamp_reasons": table(
        "because",
        """
        {ship} was still out among the breakers
        {sailor.his} {kin} was aboard {ship}
        no hull would live on those rocks without it
        """,
    ),
    "chest_reasons": table(
        "because",
        """
        {sailor.his} {kin} had died dreaming of it
        the widows of {harbour} had no bread
        an oath is an oath, even to a drowned man
        """,
    ),
    "net_reasons": table(
        "because",
        """
        all {harbour} was hungry that winter
        {sailor.he} had wagered {sailor.his} boots on it
        {sailor.his} {kin} lay sick and asked for nothing else
        """,
    ),
    "bottle_reasons": table(
        "because",
        """
        the ink was still wet with tears
        {sailor.he} knew the hand of {sailor.his} {kin}
        what the tide brings is yours to answer
        """,
    ),
    "fog_reasons": table(
        "because",
        """
        the water casks were empty
        {sailor.his} {kin} was waiting on the quay
        the hold was leaking at every seam
        """,
    ),
}

_VARIABLES = {
    "sailor": "sailors",
    "mate": "sailors",
    "harbour": "harbours",
    "water": "harbour.spots",
    "ship": "ships",
    "wind": "winds",
    "fuel": "fuels",
    "treasure": "treasures",
    "catch": "catches",
    "beast": "beasts",
    "kin": "kin",
} | {name[:-1]: name for name in _TABLES if name.endswith("_reasons")}

_RULES = rules(
    """
    hark:
    Hark, and I will tell you of {sailor} of {harbour}.
    They still sing of {sailor} in the taverns of {harbour}.
    No soul in {harbour} has forgotten {sailor}.
    Fill your mug, and hear the tale of {sailor} of {harbour}.

    salt:
    Aye, the sea gives and the sea takes.
    The gulls screamed like rusty hinges.
    Brine hung in the air, thick as soup.
    The tide turned and muttered in its sleep.
    Far out, a foghorn moaned.

    moral:
    So say the old salts of {harbour}, and the tide does not deny it.
    And when the moon is on the water, you may hear {sailor.him} laughing yet.
    Believe it or not, lads, the sea believes it.
    {sailor} only lit a pipe and said, "The sea keeps its own accounts."

    lamp_dark:
    One night, when {wind} fell upon the coast, the great lamp of the lighthouse died.
    {Wind} broke over the lighthouse, and the great lamp went out like an eye.

    lamp_want:
    {sailor.He} swore to light it again before the next wave, because {lamp_reason}.
    "That lamp must burn," {sailor.he} growled, because {lamp_reason}.

    lamp_lack:
    But there was no {fuel} left in the tower, not a thimbleful.
    But the last of the {fuel} had gone over the rail with the spray.

    lamp_mate:
    {mate} came rowing through the surf with {fuel} under a tarpaulin.
    Then a fist hammered at the door, and there stood {mate}, dripping, with {fuel} on one shoulder.

    lamp_lit:
    Up the stairs they climbed, and the beam swept over the billows once more.
    The flame caught, and a road of light lay upon the black water.

    lamp_end:
    At daybreak {ship} lay safe at anchor {water}.
    {Ship} came about {water}, and every hand on deck waved a cap.

    chest_want:
    {sailor.He} sailed {ship} to find {treasure.a}, because {chest_reason}.
    {sailor.He} wanted {treasure.a} that lay in the deep, because {chest_reason}.

    chest_chart:
    A drowned man's chart showed the place: {water}.
    {mate} had seen it glimmer {water}, seven fathoms down.

    chest_storm:
    On the third night {wind} tore the topsail to ribbons.
    Then {wind} came down on them, and the mast groaned like a sinner.

    chest_mate:
    {mate} lashed the wheel and roared, "Hold fast, she will weather it!"
    "Cut the rigging!" bellowed {mate}, and the axes flew.

    chest_dive:
    At slack water they let down the anchor and dived among the weeds.
    When the swell lay down, they hauled at the rope until their palms bled.

    chest_end:
    Up came the {treasure.name}, crusted with barnacles and older than the kings.
    They brought the {treasure.name} home to {harbour}, and the bells rang till midnight.

    net_want:
    {sailor.He} put out for {catch}, because {net_reason}.
    {sailor.He} had sworn to fill the hold with {catch}, because {net_reason}.

    net_empty:
    Three times the nets went down {water}, and three times they came up empty.
    All night {sailor.he} fished {water} and hauled up nothing but kelp.

    net_beast:
    Then {beast.a} rose beside the dory and looked {sailor.him} in the eye.
    Out of the swell came {beast.a}, tangled in an old line.

    net_deed:
    {sailor} cut the line with a bosun's knife and asked for no thanks.
    {sailor.He} threw it {sailor.his} last crust and tipped {sailor.his} cap.

    net_mate:
    "You have salt water in your skull," said {mate} from the stern.
    {mate} at the oars crossed both thumbs and spat to leeward.

    net_end:
    At dawn the nets were so heavy with {catch} that the gunwale kissed the waves.
    And lo, the {beast.name} led them to a shoal of {catch} as wide as a field.

    bottle_find:
    At low tide {sailor.he} found a bottle {water}, sealed with black wax.
    A bottle came knocking against the hull {water}, sealed with black wax.

    bottle_read:
    In it was a scrap of sailcloth, and on it: "Bring {treasure.a} to {mate}."
    The letter within was short: "{mate} must have {treasure.a}."

    bottle_want:
    {sailor.He} vowed to see it done, because {bottle_reason}.
    {sailor.He} would not rest until it was delivered, because {bottle_reason}.

    bottle_sail:
    {sailor.He} hoisted every rag of canvas {ship} could carry and ran before {wind}.
    Through {wind} {sailor.he} steered {ship} by the stars alone.

    bottle_end:
    {mate} took the {treasure.name}, wept, and never spoke of it again.
    When {mate} saw the {treasure.name}, forty years fell off like old paint.

    fog_lost:
    {sailor.He} brought {ship} home through fog as thick as porridge and lost all bearings {water}.
    {Water} the fog swallowed {ship} from keel to pennant.

    fog_want:
    {sailor.He} had to make harbour before the ebb, because {fog_reason}.
    There was no time to lie at anchor, because {fog_reason}.

    fog_crew:
    The crew whispered of reefs and of drowned fiddlers.
    The helmsman prayed, and the cook hid in the galley.

    fog_mate:
    Then {mate} climbed to the crow's nest and cupped both ears.
    "Hush," said {mate}, with one ear against the planks.

    fog_beast:
    Somewhere ahead called {beast.a}, and they followed the sound.
    It was {beast.a} that swam before the bow and showed the channel.

    fog_end:
    When the fog lifted, the masts of {harbour} stood all around them.
    The keel scraped once, and there was the quay of {harbour}.
    """
)

_PLOTS = {
    "lamp": Plot(
        "<hark> <lamp_dark> <salt> <lamp_want> <lamp_lack> <lamp_mate> <lamp_lit> <lamp_end> <moral>",
        {"who": "{sailor}", "where": "{harbour}", "what": "lamp"},
    ),
    "chest": Plot(
        "<hark> <chest_want> <salt> <chest_chart> <chest_storm> <chest_mate> <chest_dive> <chest_end> <moral>",
        {"who": "{sailor}", "where": "{harbour}", "what": "{treasure.name}"},
    ),
    "net": Plot(
        "<hark> <net_want> <net_empty> <salt> <net_beast> <net_deed> <net_mate> <net_end> <moral>",
        {"who": "{sailor}", "where": "{harbour}", "what": "{catch}"},
    ),
    "bottle": Plot(
        "<hark> <bottle_find> <bottle_read> <bottle_want> <salt> <bottle_sail> <bottle_end> <moral>",
        {"who": "{sailor}", "where": "{harbour}", "what": "{treasure.name}"},
    ),
    "fog": Plot(
        "<hark> <fog_lost> <salt> <fog_want> <fog_crew> <fog_mate> <fog_beast> <fog_end> <moral>",
        {"who": "{sailor}", "where": "{harbour}", "what": "harbour"},
    ),
}

SEA = World("sea", _TABLES, _VARIABLES, _RULES, _PLOTS)
