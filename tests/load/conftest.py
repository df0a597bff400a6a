"""A folder for whole runs."""

from tests.campaign import conftest as campaign

folder = campaign.folder
