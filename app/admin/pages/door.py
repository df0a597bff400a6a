"""The way in and out for staff."""

from app.admin.pages.noun import Noun
from app.pages.door import add_door

pages = Noun()
add_door(pages)
