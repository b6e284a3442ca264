"""The everyday world: children, neighbours and small adventures, told plainly."""

from __future__ import annotations

from ..grammar import World, rules, table
from . import everyday_notes, everyday_plots

_TABLES = {
    "people": table(
        "name he him his child",
        """
        Alma / she / her / her / girl
        Anna / she / her / her / girl
        Bella / she / her / her / girl
        Clara / she / her / her / girl
        Dora / she / her / her / girl
        Ella / she / her / her / girl
        Emma / she / her / her / girl
        Frida / she / her / her / girl
        Grace / she / her / her / girl
        Hanna / she / her / her / girl
        Ida / she / her / her / girl
        Julia / she / her / her / girl
        Lena / she / her / her / girl
        Lucy / she / her / her / girl
        Maria / she / her / her / girl
        Mia / she / her / her / girl
        Nora / she / her / her / girl
        Nina / she / her / her / girl
        Olga / she / her / her / girl
        Rosa / she / her / her / girl
        Sara / she / her / her / girl
        Sophie / she / her / her / girl
        Tilda / she / her / her / girl
        Vera / she / her / her / girl
        Adam / he / him / his / boy
        Ben / he / him / his / boy
        Carlo / he / him / his / boy
        Daniel / he / him / his / boy
        Emil / he / him / his / boy
        Felix / he / him / his / boy
        Hugo / he / him / his / boy
        Henry / he / him / his / boy
        Ivan / he / him / his / boy
        Jack / he / him / his / boy
        Jonas / he / him / his / boy
        Karl / he / him / his / boy
        Leo / he / him / his / boy
        Max / he / him / his / boy
        Nico / he / him / his / boy
        Oscar / he / him / his / boy
        Otto / he / him / his / boy
        Paul / he / him / his / boy
        Peter / he / him / his / boy
        Robin / he / him / his / boy
        Sam / he / him / his / boy
        Theo / he / him / his / boy
        Tom / he / him / his / boy
        Victor / he / him / his / boy
        """,
    ),
    "relatives": table(
        "name he him his",
        """
        grandmother / she / her / her
        mother / she / her / her
        aunt / she / her / her
        sister / she / her / her
        grandfather / he / him / his
        father / he / him / his
        uncle / he / him / his
        brother / he / him / his
        """,
    ),
    "neighbours": table(
        "name he him his",
        """
        the baker / he / him / his
        the gardener / he / him / his
        the shepherd / he / him / his
        the carpenter / he / him / his
        the teacher / she / her / her
        the doctor / she / her / her
        the beekeeper / she / her / her
        the postwoman / she / her / her
        """,
    ),
    "places": table(
        "the in spots",
        """
        the park / in the park / under the bench; behind the fountain; near the swings; among the roses
        the orchard / in the orchard / under the apple trees; behind the ladder; beside the wheelbarrow; between the baskets
        the meadow / in the meadow / in the tall grass; beside the brook; among the poppies; behind the haystack
        the school garden / in the school garden / near the bean poles; behind the shed; among the lettuces; under the hedge
        the village green / on the village green / under the lime tree; beside the well; near the bandstand; behind the cart
        the riverbank / on the riverbank / among the reeds; under the bridge; beside the old boat; between the stones
        the farmyard / in the farmyard / behind the hen house; near the gate; under the hay wagon; beside the trough
        the hill / on the hill / near the windmill; behind the big rock; among the ferns; beside the path
        the station / at the station / near the clock; under the stairs; behind the ticket office; beside the rails
        the market square / on the market square / near the statue; under the awnings; behind the flower stall; between the crates
        """,
    ),
    "rooms": table(
        "the in spots",
        """
        the attic / in the attic / behind the old trunk; under the skylight; among the hat boxes
        the cellar / in the cellar / behind the barrels; under the steps; among the jam jars
        the kitchen / in the kitchen / behind the stove; under the table; among the copper pots
        the workshop / in the workshop / behind the lathe; under the workbench; among the wood shavings
        the hallway / in the hallway / behind the coats; under the mirror; among the umbrellas
        """,
    ),
    "shops": table(
        "the in goods",
        """
        the bookshop / in the bookshop / a book of birds; a book of riddles; an old atlas; a picture of the moon
        the toy shop / in the toy shop / a wooden horse; a music box; a puppet with a crown; a set of dominoes
        the flower shop / in the flower shop / a pot of violets; a little lemon tree; a bunch of tulips; a rose bush
        the clock shop / in the clock shop / a cuckoo clock; a silver watch; an hourglass; a brass alarm clock
        the hat shop / in the hat shop / a green hat; a warm fur cap; a straw hat; a hat with a feather
        the tea shop / in the tea shop / a painted teapot; a tin of mint tea; a blue cup; a jar of honey
        """,
    ),
    "things": table(
        "name",
        """
        red scarf
        silver whistle
        blue mitten
        brass compass
        wooden top
        paper fan
        glass marble
        little mirror
        tin soldier
        yellow purse
        wooden flute
        lucky coin
        woollen cap
        storybook
        torch
        paint box
        """,
    ),
    "numbers": table("name", "five\nsix\nseven\neight\nnine\nten\neleven\ntwelve"),
    "dishes": table(
        "name a needs",
        """
        plum cake / a plum cake / plums; butter; sugar
        apple pie / an apple pie / apples; cinnamon; flour
        onion soup / an onion soup / onions; pepper; cheese
        honey bread / a honey bread / honey; yeast; milk
        cherry tart / a cherry tart / cherries; cream; eggs
        potato salad / a potato salad / potatoes; mustard; parsley
        carrot soup / a carrot soup / carrots; ginger; cream
        walnut bread / a walnut bread / walnuts; yeast; salt
        """,
    ),
    "skills": table(
        "do done mishap advice",
        """
        ride a bicycle / rode a bicycle / the bicycle tipped over / Look ahead and not at your feet
        walk on stilts / walked on stilts / the stilts slid apart / Take small steps and keep them quick
        fly a kite / flew a kite / the kite dived into a bush / Wait for the wind and then let go
        juggle three apples / juggled three apples / the apples rolled away / Throw high and catch low
        skip with a rope / skipped with a rope / the rope caught both feet / Jump when you hear it tap
        turn a cartwheel / turned a cartwheel / both elbows gave way / Push the ground as if it were heavy
        throw a hoop / threw a hoop / the hoop flew over the fence / Let your wrist do all the work
        balance on a beam / balanced on a beam / the beam began to wobble / Pick a far point and walk to it
        stand on one hand / stood on one hand / both feet came down too soon / Spread your fingers and breathe out
        """,
    ),
    "animals": table(
        "name a food",
        """
        hedgehog / a small hedgehog / a slice of pear
        duckling / a wet duckling / some oats
        kitten / a grey kitten / a saucer of milk
        puppy / a spotted puppy / a bit of sausage
        lamb / a lost lamb / a bottle of warm milk
        owl / a young owl / a piece of meat
        tortoise / a slow tortoise / a leaf of lettuce
        rabbit / a brown rabbit / a carrot
        squirrel / a tiny squirrel / a handful of nuts
        pigeon / a tired pigeon / a spoonful of corn
        """,
    ),
    "projects": table(
        "name a parts",
        """
        bird house / a bird house / planks; screws; straw
        swing / a swing / rope; a strong board; two hooks
        go-cart / a go-cart / four wheels; an axle; a steering bar
        raft / a raft / logs; barrels; a pole
        scarecrow / a scarecrow / an old coat; broom sticks; buttons
        little windmill / a little windmill / a crank; sailcloth; a round stone
        puppet theatre / a puppet theatre / a curtain; cardboard; gold paint
        letter box / a letter box / a hinge; tin; a slot
        """,
    ),
    "plants": table(
        "name a many",
        """
        pumpkin / a pumpkin / pumpkins
        sunflower / a sunflower / sunflowers
        melon / a melon / melons
        tomato / a tomato / tomatoes
        cabbage / a cabbage / cabbages
        radish / a radish / radishes
        beetroot / a beetroot / beetroots
        turnip / a turnip / turnips
        """,
    ),
    "troubles": table(
        "came cure",
        """
        snails nibbled at the leaves / put a ring of eggshells around it
        crows pulled at the stem / hung up shiny spoons on a string
        the sun burned for weeks / carried a can of water to it every evening
        a cold wind bent it over / tied it to a stick with a soft ribbon
        weeds grew all around it / pulled them up before breakfast every day
        a mole dug right under it / planted garlic next to it to keep the mole away
        """,
    ),
    "noises": table(
        "a cause",
        """
        a soft scratching / a mouse with a crust of bread
        a slow tapping / a branch that knocked at the window
        a strange humming / a bee inside a bottle
        a loud rattling / a loose shutter in the wind
        a sad whining / a puppy that had come in from the rain
        a quiet dripping / a leaky bucket
        a dull knocking / an old clock that had started again
        a gentle flapping / a moth as big as a hand
        """,
    ),
}

_VARIABLES = {
    "who": "people",
    "friend": "people",
    "relative": "relatives",
    "helper": "neighbours",
    "place": "places",
    "spot": "place.spots",
    "second": "place.spots",
    "third": "place.spots",
    "room": "rooms",
    "corner": "room.spots",
    "shop": "shops",
    "gift": "shop.goods",
    "thing": "things",
    "price": "numbers",
    "dish": "dishes",
    "need": "dish.needs",
    "skill": "skills",
    "animal": "animals",
    "project": "projects",
    "part": "project.parts",
    "plant": "plants",
    "trouble": "troubles",
    "noise": "noises",
}

_RULES = rules(
    """
    opening:
    This is the story of {who}, a <nature> {who.child} who lived <home>.
    There was once a <nature> {who.child} named {who}, who lived <home>.
    In a (small|sleepy|busy) town lived a <nature> {who.child}, and {who.his} name was {who}.
    Everyone in (town|the street|the valley) knew {who}, the <nature> {who.child} who lived <home>.

    nature:
    curious
    patient
    cheerful
    quiet
    brave
    clever
    dreamy
    stubborn
    careful
    polite

    home:
    above the (bakery|library|post office)
    near the (old|tall|white) (mill|bridge|tower)
    at the end of the (lane|street|village)
    next to the (church|school|fire station)
    in a house with a (blue|green|red|crooked) door

    habit:
    {who.He} always had a (pencil|feather|string|walnut|button) in {who.his} pocket.
    {who.He} collected (stamps|shells|bottle caps|old keys|funny words).
    {who.He} could (whistle|sing|hum|count) better than anyone else.
    {who.His} best friend was a (dog|goat|parrot|snail) called (Pepper|Button|Captain|Noodle).
    {who.He} had never been (bored|late|to the sea|on a train) in {who.his} life.

    day:
    One <sky> (morning|afternoon|evening)
    On a <sky> day in (spring|summer|autumn|winter)
    On (Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)

    sky:
    bright
    windy
    grey
    warm
    misty
    quiet
    cold
    golden

    aside:
    A blackbird sang on the (roof|fence|chimney).
    The church bells rang (once|twice|three times).
    Somewhere a (dog barked|door slammed|child laughed).
    The clouds drifted by like (sheep|ships|pillows).
    It smelled of (fresh bread|rain|cut grass|smoke).
    """
)

EVERYDAY = World(
    name="everyday",
    tables=_TABLES | everyday_plots.TABLES,
    variables=_VARIABLES | everyday_plots.VARIABLES | everyday_notes.VARIABLES,
    rules=_RULES | everyday_plots.RULES | everyday_notes.RULES,
    plots=everyday_plots.PLOTS,
)
