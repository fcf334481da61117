"""What the shop sells, who buys it, and what it has to say: the vocabulary of the story."""

from __future__ import annotations

from typing import NamedTuple

SHOP = "Alder & Finch"
DOMAIN = "alderandfinch.example"


class Place(NamedTuple):
    city: str
    region: str
    country: str
    zip: str
    latitude: float
    longitude: float
    timezone: str
    dialling: str


class Inbox(NamedTuple):
    domain: str
    provider: str


class Device(NamedTuple):
    client: str
    system: str
    type: str
    is_private: bool
    """Apple Mail Privacy Protection opens every message by machine."""


class Product(NamedTuple):
    title: str
    category: str
    cents: int


class Theme(NamedTuple):
    name: str
    subject: str
    preview: str


PLACES = (
    (Place("New York", "New York", "United States", "10017", 40.7128, -74.006, "America/New_York", "+1212"), 20),
    (Place("Brooklyn", "New York", "United States", "11201", 40.6782, -73.9442, "America/New_York", "+1718"), 12),
    (Place("Boston", "Massachusetts", "United States", "02108", 42.3601, -71.0589, "America/New_York", "+1617"), 14),
    (Place("Newark", "New Jersey", "United States", "07102", 40.7357, -74.1724, "America/New_York", "+1973"), 6),
    (Place("Chicago", "Illinois", "United States", "60601", 41.8781, -87.6298, "America/Chicago", "+1312"), 10),
    (Place("Austin", "Texas", "United States", "73301", 30.2672, -97.7431, "America/Chicago", "+1512"), 8),
    (Place("Denver", "Colorado", "United States", "80202", 39.7392, -104.9903, "America/Denver", "+1303"), 6),
    (
        Place(
            "Los Angeles", "California", "United States", "90012", 34.0522, -118.2437, "America/Los_Angeles", "+1213"
        ),
        14,
    ),
    (Place("Seattle", "Washington", "United States", "98101", 47.6062, -122.3321, "America/Los_Angeles", "+1206"), 7),
    (Place("San Juan", "Puerto Rico", "United States", "00901", 18.4655, -66.1057, "America/Puerto_Rico", "+1787"), 1),
    (Place("Toronto", "Ontario", "Canada", "M5H 2N2", 43.6532, -79.3832, "America/Toronto", "+1416"), 6),
    (Place("Montréal", "Québec", "Canada", "H2Y 1C6", 45.5019, -73.5674, "America/Toronto", "+1514"), 3),
    (Place("London", "England", "United Kingdom", "EC1A 1BB", 51.5074, -0.1278, "Europe/London", "+4420"), 4),
    (Place("Zürich", "Zürich", "Switzerland", "8001", 47.3769, 8.5417, "Europe/Zurich", "+4144"), 1),
)

INBOXES = (
    (Inbox("gmail.com", "Gmail"), 46),
    (Inbox("yahoo.com", "Yahoo"), 14),
    (Inbox("icloud.com", "Apple"), 12),
    (Inbox("outlook.com", "Microsoft"), 8),
    (Inbox("hotmail.com", "Microsoft"), 7),
    (Inbox("aol.com", "Yahoo"), 4),
    (Inbox("comcast.net", "Comcast"), 3),
    (Inbox("proton.me", "Proton"), 2),
    (Inbox("bigcorp.example", "Other"), 4),
)

DEVICES = (
    (Device("Apple Mail", "iOS", "Mobile", is_private=True), 24),
    (Device("Apple Mail", "macOS", "Desktop", is_private=True), 6),
    (Device("Gmail App", "Android", "Mobile", is_private=False), 26),
    (Device("Gmail", "Windows", "Browser", is_private=False), 22),
    (Device("Chrome", "macOS", "Browser", is_private=False), 10),
    (Device("Outlook", "Windows", "Desktop", is_private=False), 8),
    (Device("Yahoo Mail", "Android", "Mobile", is_private=False), 4),
)

FIRST_NAMES = (
    "Aisha", "Alex", "Amara", "Ana", "Ben", "Bo", "Camille", "Carlos", "Chloé", "Dana", "David", "Elena", "Emma",
    "Ethan", "Fatima", "Finn", "Grace", "Hana", "Henry", "Ines", "Isaac", "Jack", "Jamal", "Jürgen", "Kai", "Karen",
    "Leah", "Liam", "Lucía", "Maya", "Mei", "Mohammed", "Nina", "Noah", "Olga", "Olivia", "Omar", "Paul", "Priya",
    "Quinn", "Rosa", "Ruth", "Sam", "Sarah", "Søren", "Theo", "Uma", "Victor", "Wei", "Yara", "Zoë",
)  # fmt: skip

LAST_NAMES = (
    "Adams", "Almeida", "Bauer", "Brown", "Chen", "Clark", "Cohen", "Davis", "Díaz", "Evans", "Fischer", "Garcia",
    "Gupta", "Hall", "Hughes", "Ivanova", "Jackson", "Jensen", "Johnson", "Kim", "Kowalski", "Lee", "Lopez", "Martin",
    "Mason", "Meyer", "Miller", "Moreau", "Nguyen", "Novak", "O'Brien", "Okafor", "Patel", "Park", "Reyes", "Rossi",
    "Sato", "Schmidt", "Silva", "Singh", "Smith", "Taylor", "Thomas", "Turner", "Walker", "Wang", "White", "Yilmaz",
)  # fmt: skip

PRODUCTS = (
    (Product("Linen Apron", "Kitchen", 4800), 12),
    (Product("Oak Cutting Board", "Kitchen", 6900), 10),
    (Product("Cast Iron Pan", "Kitchen", 8900), 6),
    (Product("Stoneware Mug", "Kitchen", 2400), 16),
    (Product("Enamel Teapot", "Kitchen", 5600), 5),
    (Product("Beeswax Candle", "Home", 1895), 18),
    (Product("Wool Throw", "Home", 12900), 4),
    (Product("Cotton Bath Towel", "Home", 3450), 9),
    (Product("Cedar Incense", "Home", 1250), 8),
    (Product("Brass Table Lamp", "Home", 18900), 2),
    (Product("Canvas Tote", "Carry", 3200), 11),
    (Product("Leather Card Case", "Carry", 5400), 5),
    (Product("Waxed Backpack", "Carry", 21900), 2),
    (Product("Garden Trowel", "Garden", 2650), 6),
    (Product("Seed Collection", "Garden", 1499), 8),
    (Product("Copper Watering Can", "Garden", 9750), 3),
    (Product("Gift Card", "Gifts", 5000), 5),
    (Product("Tea Sampler — Café Édition", "Gifts", 2999), 7),
    (Product("Advent Calendar", "Gifts", 7990), 3),
    (Product("Notebook, Set of 3", "Gifts", 2199), 9),
)

THEMES = (
    Theme("New Arrivals", "Just in: pieces for slow mornings ☕", "Fresh from the workshop"),
    Theme("Maker Story", "Meet the potter behind our mugs", "Forty years at one wheel"),
    Theme("Weekend Sale", "48 hours: 15% off the kitchen", "Ends Sunday at midnight"),
    Theme("Restock", "Back by request", "Your favourites are on the shelf again"),
    Theme("How-To", "How to season a cast iron pan", "It takes one hour and lasts for years"),
    Theme("Bestsellers", "What everyone is ordering", "Ranked by you"),
    Theme("Seasonal Edit", "The edit: linen, light and long evenings", "Twelve things for the season"),
    Theme("Editorial", "A smaller, better kitchen", "What we kept and what we gave away"),
    Theme("Gift Guide", "Gifts under $50", "Wrapped by hand, on us"),
    Theme("Last Chance", "Going, going… last chance", "When they are gone, they are gone"),
)

TEXTS = (
    "Flash sale! 20% off until midnight",
    "Your early access is open",
    "New drop: stoneware in sage green",
    "Free shipping ends tonight",
)

NOTIFICATIONS = (
    ("Your cart misses you", "Pick up where you left off"),
    ("New in the app", "See the spring edit first"),
    ("Members only", "Tap for 10% off today"),
)

PATHS = ("", "collections/new", "collections/kitchen", "products/stoneware-mug", "pages/about", "collections/sale")

UNSUBSCRIBE_METHODS = ("EMAIL_LINK", "PREFERENCE_PAGE", "ONE_CLICK_UNSUBSCRIBE", "MAILBOX_PROVIDER")
