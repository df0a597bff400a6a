"""The ground that pages in a browser stand on, the admin's and the portal's alike.

=============  =====================================================================================
noun.py        how a page is declared, and what is asked of whoever wants it
visit.py       one request of a browser: who it is of, what it sent, how it is answered
door.py        the way in and out, the same for everybody who signs in
account.py     password, second factor and sessions of who signed in
forms.py       what a browser sends
errors.py      errors as pages
render.py      templates, and how money and moments look
menu.py        the menu
mount.py       a face's pages as routes
static.py      styles and scripts, ours and others'
parts.py       what all of it is built from
=============  =====================================================================================
"""
