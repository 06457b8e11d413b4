from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path, reverse_lazy

from desk import acts, replies, views

app_name = "desk"

urlpatterns = [
    path("", views.home, name="home"),
    path("cases/<str:number>", views.case, name="case"),
    path("cases/<str:number>/reply", replies.reply, name="reply"),
    path("cases/<str:number>/note", replies.note, name="note"),
    path("cases/<str:number>/draft/discard", replies.discard, name="discard-draft"),
    path("cases/<str:number>/outbound/<int:outbound_id>/undo", replies.undo, name="undo"),
    path("cases/<str:number>/outbound/<int:outbound_id>/retry", replies.retry, name="retry"),
    path("cases/<str:number>/merge", acts.merge, name="merge"),
    path("cases/<str:number>/unmerge", acts.unmerge, name="unmerge"),
    path("cases/<str:number>/messages/<int:email_id>/move", acts.move, name="move"),
    path("cases/<str:number>/messages/<int:email_id>/split", acts.split, name="split"),
    path(
        "login",
        LoginView.as_view(template_name="registration/login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout", LogoutView.as_view(next_page=reverse_lazy("desk:login")), name="logout"),
    path("password", views.PasswordView.as_view(), name="password"),
]
